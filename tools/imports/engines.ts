/**
 * The rule that portable rooms use no feature which a supported engine lacks.
 *
 * Owns what the supported engines have in common, as the compiler's libraries name it, and the few features that are
 * looked for before they are used. It is the compiler that finds the rest. Must not know why an engine lacks what.
 *
 * @module
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { ROOT as OWN_ROOT } from "../root.ts";
import { ROOMS } from "./rooms.ts";
import type { Violation } from "./rules.ts";

/**
 * What the baseline of docs/runtimes.md has: ECMAScript 2022, and of the web platform what two of three browser engines
 * have (lib.dom's own rule). What is newer is looked for in src/base. Node's types are left out: they bring in the
 * libraries of what is newer.
 */
const LIBRARIES = ["ES2022", "DOM"];

/** What lib.dom has and an engine of the baseline lacks: Hermes, or browsers of 2024. */
const NEWER_PLATFORM =
  /\bAbortSignal\.(?:any|timeout)\b|\bURL\.(?:canParse|parse)\b|\bnew TextDecoder\b|\bnew URLPattern\b|(?<!\.)\bstructuredClone\(/;

/** What the compiler says of features: a property, a global or a syntax that these libraries do not know. */
const FEATURE_CODES: ReadonlySet<string> = new Set(["2304", "2318", "2339", "2353", "2550", "2551", "2583"]);

/** Types that come from Node's, of which the compiler knows nothing here. */
const UNKNOWN_TYPES = /'CodingBuffer'/;

/** Used where they are there, and looked for before. */
const OPTIONAL: readonly { readonly file: string; readonly what: string }[] = [
  // A transformer's `cancel` is called by some engines; the others end the stream all the same (docs/runtimes.md).
  { file: "src/crypto/native/stream.ts", what: "'cancel'" },
];

const DIAGNOSTIC = /^(?:(.+?)\((\d+),\d+\): )?error TS(\d+): (.*)$/;

/** Looks at the portable rooms of a repository. */
export function checkEngines(root: string): Violation[] {
  const directory = mkdtempSync(join(tmpdir(), "coffer-engines-"));
  try {
    const config = join(directory, "tsconfig.json");
    const rooms = ROOMS.filter((room) => room.portable).flatMap((room) => room.files ?? [room.name]);
    const options = {
      noEmit: true,
      strict: true,
      target: "ES2022",
      lib: LIBRARIES,
      types: [],
      module: "NodeNext",
      moduleResolution: "NodeNext",
      allowImportingTsExtensions: true,
      skipLibCheck: true,
    };
    const include = rooms.map((room) => join(root, "src", room));
    writeFileSync(config, JSON.stringify({ compilerOptions: options, include }));
    const compiled = compile(config, root).flatMap((line) => violationOf(line, root));
    return [...compiled, ...newerPlatform(include.flatMap(sourcesIn), root)];
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** The sources of a room, which is a folder or a file. */
function sourcesIn(path: string): string[] {
  if (!existsSync(path)) return [];
  if (path.endsWith(".ts")) return [path];
  return readdirSync(path, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => join(path, name));
}

/** What the compiler's libraries cannot tell apart, by its text. */
function newerPlatform(paths: readonly string[], root: string): Violation[] {
  return paths.flatMap((path) =>
    readFileSync(path, "utf8")
      .split("\n")
      .flatMap((text, index) => {
        const found = /^\s*(?:\*|\/[/*])/.test(text) ? null : NEWER_PLATFORM.exec(text);
        if (found === null) return [];
        const message = `a supported engine lacks it: ${found[0]}`;
        return [{ file: relative(root, path), line: index + 1, rule: "engine-feature" as const, message }];
      }),
  );
}

/** It always complains: of Node's types, which it does not know. */
function compile(config: string, root: string): string[] {
  const compiler = join(OWN_ROOT, "node_modules/typescript7/bin/tsc");
  try {
    execFileSync(process.execPath, [compiler, "--pretty", "false", "-p", config], {
      cwd: root,
      encoding: "utf8",
      stdio: "pipe",
    });
    return [];
  } catch (error) {
    const { stdout } = error as { stdout?: string };
    if (stdout === undefined || stdout === "") throw error;
    return stdout.split("\n");
  }
}

function violationOf(line: string, root: string): Violation[] {
  const [, path, number = "1", code = "", message = ""] = DIAGNOSTIC.exec(line) ?? [];
  if (!FEATURE_CODES.has(code) || UNKNOWN_TYPES.test(message)) return [];
  const file = path === undefined ? "src" : relative(root, join(root, path));
  if (OPTIONAL.some((feature) => feature.file === file && message.includes(feature.what))) return [];
  const short = message.split(". Do you need", 1)[0]!;
  return [
    { file, line: Number(number), rule: "engine-feature", message: `a supported engine lacks it: ${short}` },
  ];
}
