/**
 * The built package, as an application meets it: by `coffer/...`, under plain Node, with its types.
 *
 * Needs `npm run build`, which `npm test` runs first.
 */
import { execFileSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  globSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { isBuiltin } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { gcm } from "@noble/ciphers/aes.js";
import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { build } from "esbuild";
import nacl from "tweetnacl";
import ts from "typescript";
import { beforeEach, describe, expect, test } from "vitest";
import { lazyPackages } from "../../tools/build/lazy-packages.ts";
import { BROWSER_ENTRIES } from "../../tools/imports/rooms.ts";
import { checkLinks } from "../../tools/repository/links.ts";
import { checkPackedFiles } from "../../tools/repository/package.ts";
import { ROOT } from "../../tools/root.ts";
import { SAMPLE_1 } from "../support/samples.ts";

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly bin: Readonly<Record<string, string>>;
  readonly exports: Readonly<Record<string, string | { types: string; node?: string; default: string }>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

const MANIFEST = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as Manifest;
const MODULES = Object.entries(MANIFEST.exports).flatMap(([subpath, target]) =>
  typeof target === "string" ? [] : [{ subpath, specifier: specifierOf(subpath), ...target }],
);
/** Without the WebAssembly module, which not every Node imports. */
const SCRIPTS = MODULES.filter((entry) => entry.default.endsWith(".js"));
const PORTABLE = MODULES.filter(({ subpath }) => BROWSER_ENTRIES.some((entry) => entry.subpath === subpath));

function specifierOf(subpath: string): string {
  return subpath === "." ? MANIFEST.name : `${MANIFEST.name}/${subpath.slice(2)}`;
}

/** Plain: without the flags and loaders of the test runner. */
function node(...args: string[]): string {
  const { NODE_OPTIONS, ...env } = process.env;
  return execFileSync(process.execPath, args, { cwd: ROOT, env, encoding: "utf8", stdio: "pipe" });
}

/** Imports of a built file: static, dynamic and of its types. */
function importsOf(path: string): string[] {
  return ts.preProcessFile(readFileSync(path, "utf8"), true, true).importedFiles.map((f) => f.fileName);
}

describe("the built package", () => {
  beforeEach(({ skip }) => {
    skip(!existsSync(join(ROOT, "dist")), "dist/ is not there: npm run build");
  });

  test("has every file that package.json names", () => {
    const named = [
      ...MODULES.flatMap((m) => [m.types, m.default, ...(m.node === undefined ? [] : [m.node])]),
      ...Object.values(MANIFEST.bin),
    ];
    expect(named.filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
  });

  test("declares no type that TypeScript 5.2 lacks: arrays with the type of their memory", () => {
    const declarations = globSync("dist/**/*.d.ts", { cwd: ROOT });
    expect(declarations.length).toBeGreaterThan(MODULES.length - 1);
    const generic = declarations.filter((path) =>
      /\bUint8Array</.test(readFileSync(join(ROOT, path), "utf8").replaceAll(/\/\*.*?\*\//gs, "")),
    );
    expect(generic).toEqual([]);
  });

  test("packs every file that package.json names, and every file that a packed document links", () => {
    const packed = execFileSync("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], {
      cwd: ROOT,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
    const [{ files }] = JSON.parse(packed) as [{ files: readonly { path: string }[] }];
    const paths = files.map(({ path }) => path);
    expect(checkPackedFiles(MANIFEST, paths)).toEqual([]);
    expect(checkLinks(ROOT, paths)).toEqual([]);
  });

  test.each(SCRIPTS)("$specifier loads under plain Node", ({ specifier }) => {
    const script = `console.log(Object.keys(await import(${JSON.stringify(specifier)})).length)`;
    expect(Number(node("--input-type=module", "--eval", script))).toBeGreaterThan(0);
  });

  test("loads an error class once, whatever subpaths are imported", () => {
    const script = `
      const { VaultError } = await import("coffer/errors");
      const { localDecrypt } = await import("coffer/crypto");
      const error = await localDecrypt("", { dataKey: "" }).catch((e) => e);
      console.log(error instanceof VaultError, error.code);`;
    expect(node("--input-type=module", "--eval", script)).toMatch(/^true ERR_/);
  });

  test("has the WebAssembly module by itself, which the providers take", () => {
    const script = `
      import { readFileSync } from "node:fs";
      const { localEncryptSync } = await import("coffer/crypto");
      const { wasmModule } = await import("coffer/sync");
      const file = new URL(import.meta.resolve("coffer/aes-gcm.wasm"));
      const { Module } = WebAssembly;
      WebAssembly.validate = () => false;
      const key = ${JSON.stringify(SAMPLE_1)};
      const seal = (sync) => localEncryptSync("text", key, "", { provider: "wasm", sync });
      try { seal() } catch (error) { console.log(error.code) }
      console.log(seal(wasmModule(new Module(readFileSync(file)))).length > 0);`;
    expect(node("--input-type=module", "--eval", script)).toBe("ERR_UNSUPPORTED\ntrue\n");
  });

  test("prints its version", () => {
    expect(node("dist/node/cli/main.js", "--version").trim()).toBe(MANIFEST.version);
  });

  test("the command loads no package until it needs one", () => {
    const alone = mkdtempSync(join(tmpdir(), "coffer-dist-"));
    try {
      // Without node_modules beside it.
      cpSync(join(ROOT, "dist/node"), join(alone, "dist/node"), { recursive: true });
      cpSync(join(ROOT, "package.json"), join(alone, "package.json"));
      const coffer = (...args: string[]): string =>
        node(join(alone, "dist/node/cli/main.js"), ...args, "--vault", join(alone, "vault.db"));
      const text = coffer("encrypt", "s3cret", "--context", "a=b").trim();
      expect(coffer("decrypt", text).trim()).toBe("s3cret");
    } finally {
      rmSync(alone, { recursive: true, force: true });
    }
  });

  test("a package that stands in its place until then does the same", async () => {
    const built = await build({
      stdin: {
        contents: `import { gcm } from "@noble/ciphers/aes.js"; import { hmac } from "@noble/hashes/hmac.js";
          import { sha256 } from "@noble/hashes/sha2.js"; import nacl from "tweetnacl";
          const key = new Uint8Array(32);
          const hex = (bytes) => Buffer.from(bytes).toString("hex");
          console.log(hex(gcm(key, key.subarray(0, 12)).encrypt(key)), hex(hmac(sha256, key, key)), sha256.outputLen,
            hex(nacl.scalarMult.base(key)));`,
        resolveDir: ROOT,
      },
      bundle: true,
      format: "esm",
      platform: "node",
      write: false,
      plugins: [lazyPackages(/^(?:@noble\/|tweetnacl$)/)],
    });
    const { text } = built.outputFiles[0]!;
    expect(text).not.toContain("function ghash");
    const directory = mkdtempSync(join(tmpdir(), "coffer-lazy-"));
    try {
      symlinkSync(join(ROOT, "node_modules"), join(directory, "node_modules"));
      writeFileSync(join(directory, "lazy.mjs"), text);
      const key = new Uint8Array(32);
      const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
      const expected = [
        hex(gcm(key, key.subarray(0, 12)).encrypt(key)),
        hex(hmac(sha256, key, key)),
        32,
        hex(nacl.scalarMult.base(key)),
      ];
      expect(node(join(directory, "lazy.mjs")).trim()).toBe(expected.join(" "));
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });

  test("names Node's modules with their prefix, and no package that is not a dependency", () => {
    const wrong = globSync("dist/**/*.{js,d.ts}", { cwd: ROOT }).flatMap((file) =>
      importsOf(join(ROOT, file))
        .filter((specifier) => !/^\.|^node:/.test(specifier))
        .filter((specifier) => isBuiltin(specifier) || !isDependency(specifier))
        .map((specifier) => `${file}: ${specifier}`),
    );
    expect(wrong).toEqual([]);
  });

  test.each(PORTABLE)("$specifier reaches no module of Node, in code and types", (entry) => {
    const reached = new Set([join(ROOT, entry.default), join(ROOT, entry.types)]);
    const builtins: string[] = [];
    for (const path of reached) {
      for (const specifier of importsOf(path)) {
        if (isBuiltin(specifier)) builtins.push(`${path}: ${specifier}`);
        else if (specifier.startsWith(".")) reached.add(builtFile(path, specifier));
      }
    }
    expect(builtins).toEqual([]);
  });

  test("has types that a compiler accepts for Node", () => {
    expect(compile(MODULES, ["node"])).toEqual([]);
  });

  test("has types that a compiler accepts without those of Node, where it is portable", () => {
    expect(compile(PORTABLE, [])).toEqual([]);
  });
});

function isDependency(specifier: string): boolean {
  const names = Object.keys({ ...MANIFEST.dependencies, ...MANIFEST.peerDependencies });
  return names.some((name) => specifier === name || specifier.startsWith(`${name}/`));
}

/** Declarations import each other by the names of the code. */
function builtFile(from: string, specifier: string): string {
  const path = join(dirname(from), specifier);
  return from.endsWith(".d.ts") ? path.replace(/\.js$/, ".d.ts") : path;
}

/** Compiles an application that imports the modules; the file exists in memory only. */
function compile(modules: typeof MODULES, types: string[]): string[] {
  const path = join(ROOT, "application-of-the-test.ts");
  const text = modules.map(({ specifier }, i) => `export * as m${i} from "${specifier}";`).join("\n");
  const options: ts.CompilerOptions = {
    strict: true,
    noEmit: true,
    skipLibCheck: false,
    module: ts.ModuleKind.NodeNext,
    target: ts.ScriptTarget.ES2022,
    lib: ["lib.es2023.d.ts", "lib.esnext.disposable.d.ts", "lib.dom.d.ts", "lib.dom.asynciterable.d.ts"],
    types,
  };
  const host = ts.createCompilerHost(options);
  const { fileExists, readFile, getSourceFile } = host;
  host.fileExists = (name) => name === path || fileExists(name);
  host.readFile = (name) => (name === path ? text : readFile(name));
  host.getSourceFile = (name, languageVersion, ...rest) =>
    name === path
      ? ts.createSourceFile(name, text, languageVersion)
      : getSourceFile(name, languageVersion, ...rest);
  const program = ts.createProgram({ rootNames: [path], options, host });
  // Not the libraries themselves, which take ten times as long.
  const files = program.getSourceFiles().filter((file) => !file.fileName.includes("/node_modules/"));
  return [
    ...program.getOptionsDiagnostics(),
    ...program.getGlobalDiagnostics(),
    ...files.flatMap((file) => [
      ...program.getSyntacticDiagnostics(file),
      ...program.getSemanticDiagnostics(file),
    ]),
  ].map((d) => `${d.file?.fileName ?? ""}: ${ts.flattenDiagnosticMessageText(d.messageText, "\n")}`);
}
