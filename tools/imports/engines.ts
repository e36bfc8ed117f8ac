/**
 * The rule that portable rooms use no feature which a supported engine lacks.
 *
 * Owns what the supported engines have in common, as the compiler's libraries name it, and the few features that are
 * looked for before they are used. It is the compiler that finds the rest. Must not know why an engine lacks what.
 *
 * @module
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { ROOT as OWN_ROOT } from "../root.ts";
import { ROOMS } from "./rooms.ts";
import type { Violation } from "./rules.ts";

/**
 * What Node 22.13, Bun, Deno, workerd, Chromium, Firefox ESR and WebKitGTK 2.50 all have: ECMAScript 2024, and of the web
 * platform what two of three browser engines have (lib.dom's own rule). Node's types are left out: they bring in the
 * libraries of what is newer.
 */
const LIBRARIES = ["ES2024", "DOM"];

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
      target: "ES2023",
      lib: LIBRARIES,
      types: [],
      module: "NodeNext",
      moduleResolution: "NodeNext",
      allowImportingTsExtensions: true,
      skipLibCheck: true,
    };
    const include = rooms.map((room) => join(root, "src", room));
    writeFileSync(config, JSON.stringify({ compilerOptions: options, include }));
    return compile(config, root).flatMap((line) => violationOf(line, root));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
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
