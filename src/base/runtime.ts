/**
 * The one runtime switch: what the runtime offers natively, looked up once, without an import.
 *
 * Owns the answer to "which built-in modules are there?". Everything portable asks here, so that no bundler
 * sees a `node:` import. Must not know what the modules are used for.
 *
 * @module
 */
import type { Bytes } from "./bytes.ts";

/** The types of the Web Crypto API; a type needs no runtime. */
export type WebCrypto = import("node:crypto").webcrypto.Crypto;
/** The part of Web Crypto that encrypts. */
export type WebCryptoSubtle = import("node:crypto").webcrypto.SubtleCrypto;

/** What coffer uses of `WebAssembly`, whose types belong to no library that is loaded here. */
export interface WebAssemblyApi {
  readonly Module: new (bytes: Bytes) => object;
  readonly Instance: new (module: never) => { readonly exports: unknown };
  validate(bytes: Bytes): boolean;
}

/** The parts of the built-in modules that coffer uses, where the runtime has them. */
export interface Runtime {
  /** `node:crypto` on Node, Bun, Deno and workerd with its Node compatibility. */
  readonly crypto: typeof import("node:crypto") | undefined;
  /** `node:fs` where it reads the kernel's own files: Node, Bun and Deno. */
  readonly fs: typeof import("node:fs") | undefined;
  /** The operating system by the name of `process.platform`. */
  readonly platform: string | undefined;
  /** The `Buffer` class, for its native base64. */
  readonly Buffer: typeof globalThis.Buffer | undefined;
  /** The Web Crypto API. */
  readonly webcrypto: WebCrypto | undefined;
  /** WebAssembly; that it is there does not mean that compiling at run time is allowed. */
  readonly wasm: WebAssemblyApi | undefined;
}

/** What of the global object decides; a parameter so that tests can describe other runtimes. */
export interface RuntimeGlobals {
  process?: {
    getBuiltinModule?: (id: string) => unknown;
    platform?: string;
    versions?: { readonly bun?: string; readonly deno?: string };
  };
  navigator?: { userAgent?: string };
  Buffer?: typeof globalThis.Buffer;
  crypto?: WebCrypto;
  WebAssembly?: WebAssemblyApi;
}

/**
 * A module that the runtime has built in: what is needed at the start is in {@link Runtime}, the rest is looked up when it is needed.
 *
 * @returns undefined where the runtime has no such module
 */
export function builtInModule(id: string, globals: RuntimeGlobals): unknown {
  try {
    // Exists on Node >= 22.3, Bun, Deno 2 and workerd with its Node compatibility.
    return globals.process?.getBuiltinModule?.(id);
  } catch {
    // A half-finished polyfill is as good as none.
    return undefined;
  }
}

/** The user agent by which workerd names itself; its file system is not the kernel's. */
const WORKERD_USER_AGENT = "Cloudflare-Workers";

/**
 * Looks at the globals of a runtime.
 *
 * @param globals - the global object, or a description of one
 */
export function detectRuntime(globals: RuntimeGlobals): Runtime {
  const isWorkerd = globals.navigator?.userAgent === WORKERD_USER_AGENT;
  return {
    crypto: builtInModule("node:crypto", globals) as Runtime["crypto"],
    fs: isWorkerd ? undefined : (builtInModule("node:fs", globals) as Runtime["fs"]),
    platform: globals.process?.platform,
    Buffer: globals.Buffer,
    webcrypto: globals.crypto,
    wasm: globals.WebAssembly,
  };
}

/** The runtimes whose speeds differ although they offer the same modules. */
export type RuntimeName = "node" | "bun" | "deno" | "workerd" | "browser" | "other";

/** With what every browser's user agent begins (HTML, the `navigator.userAgent` compatibility rules). */
const BROWSER_USER_AGENT = "Mozilla/";

/** Which runtime it is, as far as its speed is known; never asked for what it can do. */
export function runtimeName(globals: RuntimeGlobals): RuntimeName {
  const agent = globals.navigator?.userAgent;
  // First: with its Node compatibility workerd has Node's versions as well.
  if (agent === WORKERD_USER_AGENT) return "workerd";
  const versions = globals.process?.versions;
  // Before browsers: Node with a page's globals around it is still Node.
  if (versions !== undefined) {
    if (versions.bun !== undefined) return "bun";
    return versions.deno !== undefined ? "deno" : "node";
  }
  return agent?.startsWith(BROWSER_USER_AGENT) === true ? "browser" : "other";
}

/** The runtime that this module was loaded in. */
export const runtime: Runtime = /* @__PURE__ */ detectRuntime(globalThis as unknown as RuntimeGlobals);

/**
 * A variable of the process's environment, where there is one; an empty one counts as absent.
 *
 * @param globals - the global object, or a description of one
 */
export function environmentVariable(
  name: string,
  globals: { process?: { env?: Record<string, string | undefined> } } = globalThis,
): string | undefined {
  try {
    return globals.process?.env?.[name] || undefined;
  } catch {
    // Deno asks for leave to read the environment.
    return undefined;
  }
}
