/** What is looked up in runtimes that are described here rather than run. */
import * as nodeCrypto from "node:crypto";
import * as nodeFs from "node:fs";
import { expect, test } from "vitest";
import {
  detectRuntime,
  environmentVariable,
  type RuntimeGlobals,
  runtime,
  runtimeName,
} from "../../src/base/runtime.ts";

const builtins = { "node:crypto": nodeCrypto, "node:fs": nodeFs };
const getBuiltinModule = (id: string) => builtins[id as keyof typeof builtins];

test("this runtime is Node, with everything", () => {
  expect(runtime.crypto?.createCipheriv).toBeTypeOf("function");
  expect(runtime.fs?.openSync).toBeTypeOf("function");
  expect(runtime.Buffer).toBe(Buffer);
  expect(runtime.webcrypto).toBe(globalThis.crypto);
});

test("a browser has Web Crypto only", () => {
  const webcrypto = globalThis.crypto as unknown as NonNullable<RuntimeGlobals["crypto"]>;
  expect(detectRuntime({ navigator: { userAgent: "Mozilla/5.0" }, crypto: webcrypto })).toEqual({
    crypto: undefined,
    fs: undefined,
    Buffer: undefined,
    webcrypto,
  });
});

test("nothing at all is a runtime too", () => {
  const nothing = { crypto: undefined, fs: undefined, Buffer: undefined, webcrypto: undefined };
  expect(detectRuntime({})).toEqual(nothing);
  expect(detectRuntime({ process: {} })).toEqual(nothing);
});

test("workerd's file system is not the kernel's", () => {
  const found = detectRuntime({
    process: { getBuiltinModule },
    navigator: { userAgent: "Cloudflare-Workers" },
  });
  expect(found.crypto).toBe(nodeCrypto);
  expect(found.fs).toBeUndefined();
  expect(detectRuntime({ process: { getBuiltinModule } }).fs).toBe(nodeFs);
});

test("a polyfill that throws is as good as none", () => {
  const found = detectRuntime({
    process: {
      getBuiltinModule: () => {
        throw new Error("not implemented");
      },
    },
    Buffer,
  });
  expect(found).toEqual({ crypto: undefined, fs: undefined, Buffer, webcrypto: undefined });
});

test.each([
  ["node", { node: "24.21.0" }],
  ["bun", { node: "24.3.0", bun: "1.4.5" }],
  ["deno", { node: "24.2.0", deno: "2.9.6" }],
] as const)("%s is told by its versions", (name, versions: Record<string, string>) => {
  expect(runtimeName({ process: { versions } })).toBe(name);
});

test("workerd and browsers are told by their user agents", () => {
  const browser = { userAgent: "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0" };
  expect(runtimeName({ navigator: browser })).toBe("browser");
  expect(runtimeName({ navigator: { userAgent: "Cloudflare-Workers" } })).toBe("workerd");
  // With its Node compatibility workerd has versions too; and tests put a page's globals around Node.
  const versions: Record<string, string> = { node: "22.19.0" };
  expect(runtimeName({ process: { versions }, navigator: { userAgent: "Cloudflare-Workers" } })).toBe(
    "workerd",
  );
  expect(runtimeName({ process: { versions }, navigator: browser })).toBe("node");
});

test("any other runtime has no name here, also one with half of a process", () => {
  expect(runtimeName({})).toBe("other");
  expect(runtimeName({ process: {} })).toBe("other");
  expect(runtimeName({ navigator: {} })).toBe("other");
  expect(runtimeName({ navigator: { userAgent: "some edge/1.0" } })).toBe("other");
});

test("an environment variable is read where there is an environment, and an empty one is none", () => {
  const globals = { process: { env: { FULL: "value", EMPTY: "" } } };
  expect(environmentVariable("FULL", globals)).toBe("value");
  expect(environmentVariable("EMPTY", globals)).toBeUndefined();
  expect(environmentVariable("ABSENT", globals)).toBeUndefined();
  expect(environmentVariable("FULL", {})).toBeUndefined();
  expect(environmentVariable("FULL", { process: {} })).toBeUndefined();
  // This runtime's own.
  expect(environmentVariable("PATH")).toBe(process.env.PATH);
});

test("an environment that may not be read is none", () => {
  const guarded = {
    process: {
      get env(): never {
        throw new Error("asks for leave");
      },
    },
  };
  expect(environmentVariable("PATH", guarded)).toBeUndefined();
});
