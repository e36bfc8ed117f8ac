/** Which AEAD provider serves a call, in runtimes that are described here, and that each proves itself first. */
import { describe, expect, test, vi } from "vitest";
import { type Runtime, runtime } from "../../src/base/runtime.ts";
import { nobleProvider } from "../../src/crypto/aead/noble.ts";
import { CROSSOVER_BYTES } from "../../src/crypto/aead/wasm.ts";
import { HERE } from "../../src/crypto/ciphers/of-call.ts";
import { PLAINTEXT_BYTES_MAX } from "../../src/crypto/limits.ts";
import { errorOf, rejectionOf } from "../support/errors.ts";
import { providersOf } from "../support/providers.ts";

const NODE = { crypto: runtime.crypto, webcrypto: runtime.webcrypto };
const EDGE = { crypto: undefined, webcrypto: runtime.webcrypto };
const BARE = { crypto: undefined, webcrypto: undefined };

describe("the choice", () => {
  test.each([
    ["Node", NODE, "node", "node"],
    ["an edge runtime", EDGE, "noble", "webcrypto"],
    ["an insecure page", { crypto: undefined, webcrypto: {} as Runtime["webcrypto"] }, "noble", "noble"],
    [
      "a polyfill without ciphers",
      { crypto: {} as Runtime["crypto"], webcrypto: runtime.webcrypto },
      "noble",
      "webcrypto",
    ],
    ["nothing", BARE, "noble", "noble"],
  ] as const)("on %s", async (_, available, sync, async) => {
    const found = providersOf(available);
    expect(found.sync().name).toBe(sync);
    expect((await found.async()).name).toBe(async);
  });

  describe.each([
    { name: "node", has: NODE, sync: "node", async: "node" },
    { name: "bun", has: NODE, sync: "node", async: "node" },
    { name: "workerd", has: NODE, sync: "node", async: "node" },
    { name: "workerd", has: EDGE, sync: "wasm", async: "webcrypto" },
    { name: "browser", has: EDGE, sync: "wasm", async: "webcrypto" },
    { name: "other", has: EDGE, sync: "wasm", async: "webcrypto" },
  ] as const)("by size on $name, natively $async", ({ name, has, sync, async }) => {
    const found = providersOf({ ...has, wasm: runtime.wasm }, name);
    const crossover = CROSSOVER_BYTES[name];

    test("the module up to the crossover, also where a call could wait", async () => {
      expect(found.sync(undefined, crossover).name).toBe("wasm");
      expect((await found.async(undefined, crossover)).name).toBe("wasm");
    });

    test("what is native above it, and where the size is not known", async () => {
      expect(found.sync(undefined, crossover + 1).name).toBe(sync);
      expect((await found.async(undefined, crossover + 1)).name).toBe(async);
      expect((await found.async()).name).toBe(async);
    });
  });

  test("on Deno the module at every size that is told, but for large messages of calls that can wait", async () => {
    const found = providersOf({ ...NODE, wasm: runtime.wasm }, "deno");
    expect(found.sync(undefined, PLAINTEXT_BYTES_MAX).name).toBe("wasm");
    expect((await found.async(undefined, 16 * 1024 - 1)).name).toBe("wasm");
    expect((await found.async(undefined, 16 * 1024)).name).toBe("webcrypto");
    expect((await found.async("node", 16 * 1024)).name).toBe("node");
    const without = providersOf({ crypto: NODE.crypto, webcrypto: undefined, wasm: runtime.wasm }, "deno");
    expect((await without.async(undefined, PLAINTEXT_BYTES_MAX)).name).toBe("wasm");
  });

  test("this runtime", async () => {
    expect(HERE.providers.sync().name).toBe("node");
    expect((await HERE.providers.async()).name).toBe("node");
  });

  test("a provider can be named", async () => {
    const found = providersOf(NODE);
    expect(found.sync("noble")).toBe(nobleProvider);
    expect(found.sync("node").name).toBe("node");
    for (const name of ["node", "webcrypto", "noble"] as const) {
      expect((await found.async(name)).name).toBe(name);
      // The second time it has proven itself.
      expect(await found.async(name)).toBe(await found.async(name));
    }
  });
});

describe("refusals", () => {
  test("Web Crypto cannot serve synchronous calls, also after it has proven itself", async () => {
    const found = providersOf(NODE);
    expect(errorOf(() => found.sync("webcrypto")).code).toBe("ERR_UNSUPPORTED");
    await found.async("webcrypto");
    expect(errorOf(() => found.sync("webcrypto")).code).toBe("ERR_UNSUPPORTED");
  });

  test("what is not there cannot be named", async () => {
    const found = providersOf(BARE);
    expect(errorOf(() => found.sync("node")).code).toBe("ERR_UNSUPPORTED");
    expect((await rejectionOf(() => found.async("node"))).code).toBe("ERR_UNSUPPORTED");
    expect((await rejectionOf(() => found.async("webcrypto"))).code).toBe("ERR_UNSUPPORTED");
  });

  test.each(["openssl", "toString", "__proto__", ""])("%j is no provider", async (name) => {
    const found = providersOf(NODE);
    for (const error of [
      errorOf(() => found.sync(name as never)),
      await rejectionOf(() => found.async(name as never)),
    ]) {
      expect(error).toBeInstanceOf(TypeError);
      expect(error.code).toBe("ERR_INVALID_ARGUMENT");
    }
  });
});

describe("the known answer", () => {
  /** `node:crypto` whose GCM answers another tag. */
  const lyingCrypto = {
    ...runtime.crypto!,
    createCipheriv: (...args: [string, Uint8Array, Uint8Array]) => {
      const cipher = runtime.crypto!.createCipheriv(
        ...(args as unknown as ["aes-256-gcm", Uint8Array, Uint8Array]),
      );
      cipher.getAuthTag = () => Buffer.alloc(16);
      return cipher;
    },
  } as unknown as NonNullable<Runtime["crypto"]>;
  const subtle = runtime.webcrypto!.subtle;
  const lyingWebCrypto = {
    subtle: {
      importKey: subtle.importKey.bind(subtle),
      encrypt: async () => new ArrayBuffer(28),
    },
  } as unknown as NonNullable<Runtime["webcrypto"]>;

  test("a provider that gives another is refused, each time", async () => {
    const found = providersOf({ crypto: lyingCrypto, webcrypto: lyingWebCrypto });
    for (let i = 0; i < 2; i++) {
      expect(errorOf(() => found.sync()).code).toBe("ERR_UNSUPPORTED");
      expect((await rejectionOf(() => found.async())).code).toBe("ERR_UNSUPPORTED");
      expect((await rejectionOf(() => found.async("webcrypto"))).code).toBe("ERR_UNSUPPORTED");
    }
    expect(found.sync("noble").name).toBe("noble");
  });

  test("ciphers that take no key objects are no provider", () => {
    const createCipheriv = (_: string, key: unknown): never => {
      throw new TypeError(ArrayBuffer.isView(key) ? "a raw key is taken" : "expected typed ArrayBufferView");
    };
    const found = providersOf({
      crypto: { ...runtime.crypto!, createCipheriv } as unknown as NonNullable<Runtime["crypto"]>,
      webcrypto: undefined,
    });
    expect(found.sync().name).not.toBe("node");
    expect(errorOf(() => found.sync("node")).code).toBe("ERR_UNSUPPORTED");
  });

  test("is asked for once by each set of providers", () => {
    const createCipheriv = vi.fn(runtime.crypto!.createCipheriv);
    const found = providersOf({
      crypto: { ...runtime.crypto!, createCipheriv } as unknown as NonNullable<Runtime["crypto"]>,
      webcrypto: undefined,
    });
    found.sync();
    found.sync();
    found.sync("node");
    // Once for whether it takes key objects.
    expect(createCipheriv).toHaveBeenCalledTimes(2);
  });
});
