/** What is looked up in runtimes that are described here rather than run. */
import * as nodeCrypto from "node:crypto";
import * as nodeFs from "node:fs";
import { expect, test } from "vitest";
import { detectRuntime, type RuntimeGlobals, runtime } from "../../src/crypto/runtime.ts";

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
