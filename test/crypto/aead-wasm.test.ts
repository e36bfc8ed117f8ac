/** The WebAssembly provider: its module is what its source makes, right at every length, and forgets. */
import { createCipheriv } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { inspect } from "node:util";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { gcm } from "@noble/ciphers/aes.js";
import { describe, expect, test, vi } from "vitest";
import { type RuntimeName, runtime, type WebAssemblyApi } from "../../src/base/runtime.ts";
import { AeadProviders } from "../../src/crypto/aead/choose.ts";
import { NOBLE_ROW } from "../../src/crypto/aead/noble.ts";
import type { Available } from "../../src/crypto/aead/row.ts";
import { compileEngine } from "../../src/crypto/aead/wasm/compile.ts";
import { PIECE_BYTES, type WasmEngine } from "../../src/crypto/aead/wasm/engine.ts";
import * as layout from "../../src/crypto/aead/wasm/layout.ts";
import { type WasmProvider, wasmModuleRow, wasmProvider } from "../../src/crypto/aead/wasm.ts";
import { WEBCRYPTO_ROW } from "../../src/crypto/aead/webcrypto.ts";
import { VaultError } from "../../src/errors.ts";
import { wasmModule } from "../../src/sync.ts";
import { buildModule } from "../../tools/wasm/aes-gcm.ts";
import { checkModuleFile } from "../../tools/wasm/build.ts";
import { subByte } from "../../tools/wasm/tables.ts";
import { seededStream } from "../support/bytes.ts";
import { errorOf } from "../support/errors.ts";
import { providersOf } from "../support/providers.ts";

const wasm = runtime.wasm!;

/** An engine without relaxed SIMD: what is validated first is the relaxed module. */
function plainEngine(): WasmEngine {
  let asked = 0;
  return compileEngine({ ...api(), validate: (bytes) => asked++ > 0 && wasm.validate(bytes) })!;
}

/** The runtime's WebAssembly as a plain object, to be changed. */
function api(): WebAssemblyApi {
  return { Module: wasm.Module, Instance: wasm.Instance, validate: (bytes) => wasm.validate(bytes) };
}

const ENGINES = [
  ["relaxed SIMD", () => compileEngine(wasm)!],
  ["SIMD", plainEngine],
] as const;

function sealByNode(key: Uint8Array, nonce: Uint8Array, plaintext: Uint8Array, aad: Uint8Array): Uint8Array {
  const cipher = createCipheriv("aes-256-gcm", key, nonce);
  cipher.setAAD(aad);
  return Uint8Array.from(Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]));
}

describe("the source", () => {
  test("makes the embedded module, byte for byte", () => {
    expect(checkModuleFile()).toEqual([]);
  });

  test("has the S-box of FIPS 197: all 256 values by way of node:crypto's cipher", () => {
    // With the last round key known, the S-box shows itself in the last round; here by decrypting what AES-128's
    // key schedule does: w4 = w0 ^ SubWord(RotWord(w3)) ^ rcon, which one block of ECB cannot show. So compare
    // with the definition: the affine map of the inverse, worked out by brute force.
    for (let x = 0; x < 256; x++) expect(subByte(x)).toBe(sbox(x));
  });

  /** FIPS 197 section 5.1.1, by brute force. */
  function sbox(x: number): number {
    const times = (a: number, b: number): number => {
      let product = 0;
      for (let bit = 7; bit >= 0; bit--) {
        product = (product << 1) ^ (product & 0x80 ? 0x11b : 0);
        if ((b >> bit) & 1) product ^= a;
      }
      return product;
    };
    let inverse = 0;
    for (let y = 0; y < 256; y++) if (times(x, y) === 1) inverse = y;
    let out = 0;
    for (let i = 0; i < 8; i++) {
      const bit = (n: number): number => (inverse >> (n & 7)) & 1;
      out |= (bit(i) ^ bit(i + 4) ^ bit(i + 5) ^ bit(i + 6) ^ bit(i + 7) ^ ((0x63 >> i) & 1)) << i;
    }
    return out;
  }
});

describe.each(ENGINES)("with %s", (name, create) => {
  test("is what it says", () => {
    expect(create().isRelaxed).toBe(name === "relaxed SIMD");
  });

  test("agrees with node:crypto at every length up to 400, and with noble", () => {
    const provider = wasmProvider(create());
    const next = seededStream(4);
    for (const aadLength of [0, 1, 12, 15, 16, 17, 31, 32, 33, 64, 255]) {
      for (let length = 0; length <= 400; length++) {
        const [key, nonce, plaintext, aad] = [32, 12, length, aadLength].map((n) =>
          Uint8Array.from(next(n)),
        ) as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
        agree(provider, key, nonce, plaintext, aad, length % 13 === 0);
      }
    }
  });

  test("agrees around the sizes of its pieces, in messages and associated data", () => {
    const provider = wasmProvider(create());
    const next = seededStream(5);
    const lengths = [1024, 4096, PIECE_BYTES, 2 * PIECE_BYTES].flatMap((n) => [n - 1, n, n + 1]);
    for (const length of [...lengths, PIECE_BYTES - 16, PIECE_BYTES + 16, 300_001]) {
      for (const aadLength of [
        0,
        13,
        PIECE_BYTES - 17,
        PIECE_BYTES - 16,
        PIECE_BYTES - 15,
        PIECE_BYTES + 1,
      ]) {
        const key = Uint8Array.from(next(32));
        const plaintext = Uint8Array.from(next(length));
        const aad = Uint8Array.from(next(aadLength));
        agree(provider, key, Uint8Array.from(next(12)), plaintext, aad, false);
      }
    }
  });

  test("the counter of a 32-byte nonce wraps around in its last 32 bits only", () => {
    // J0 is a hash, so some nonce brings its counter close to the end.
    const engine = create();
    const provider = wasmProvider(engine);
    const key = new Uint8Array(32).fill(3);
    const nonce = new Uint8Array(32);
    for (let n = 0; n < 2000; n++) {
      new DataView(nonce.buffer).setUint32(0, n);
      const cipher = createCipheriv("aes-256-gcm", key, nonce);
      const ciphertext = cipher.update(new Uint8Array(70));
      cipher.final();
      const opened = provider.importKey(key).open(nonce, ciphertext, cipher.getAuthTag(), new Uint8Array(0));
      if (!opened.every((byte) => byte === 0)) throw new Error(`nonce ${n}`);
    }
  });

  test("a message that is refused leaves nothing of itself, nor does one that was opened", () => {
    const engine = create();
    const provider = wasmProvider(engine);
    const key = provider.importKey(new Uint8Array(32).fill(1));
    const nonce = new Uint8Array(12);
    for (const length of [1, 16, 100, 5000, PIECE_BYTES, PIECE_BYTES + 100]) {
      const canary = new Uint8Array(length).fill(0xc5);
      const sealed = key.seal(nonce, canary, new Uint8Array(3));
      const ciphertext = sealed.subarray(0, length);
      const tag = sealed.subarray(length);
      expect(longestRun(engine.memory, 0xc5)).toBeLessThan(4);
      expect(key.open(nonce, ciphertext, tag, new Uint8Array(3))).toEqual(canary);
      expect(longestRun(engine.memory, 0xc5)).toBeLessThan(4);
      expect(errorOf(() => key.open(nonce, ciphertext, tag, new Uint8Array(4))).code).toBe(
        "ERR_DECRYPT_FAILED",
      );
      expect(longestRun(engine.memory, 0xc5)).toBeLessThan(4);
    }
  });

  test("what a message in pieces keeps from one to the next is wiped after it, whatever became of it", () => {
    const engine = create();
    const key = wasmProvider(engine).importKey(new Uint8Array(32).fill(1));
    const kept = (): Uint8Array => engine.memory.subarray(layout.TAG_AT, layout.WORK_AT);
    const nonce = new Uint8Array(12);
    const aad = new Uint8Array(3);
    for (const length of [0, PIECE_BYTES + 100]) {
      const long = length === 0 ? new Uint8Array(PIECE_BYTES + 1) : aad;
      const sealed = key.seal(nonce, new Uint8Array(length), long);
      if (!isZero(kept())) throw new Error(`${length} bytes, sealed`);
      const [ciphertext, tag] = [sealed.subarray(0, length), sealed.subarray(length)];
      expect(key.open(nonce, ciphertext, tag, long)).toHaveLength(length);
      if (!isZero(kept())) throw new Error(`${length} bytes, opened`);
      const refused = errorOf(() => key.open(nonce, ciphertext, new Uint8Array(16), long));
      expect(refused.code).toBe("ERR_DECRYPT_FAILED");
      if (!isZero(kept())) throw new Error(`${length} bytes, refused`);
    }
  });

  test("nothing of a long message is in what is answered for a short one", () => {
    const provider = wasmProvider(create());
    const key = provider.importKey(new Uint8Array(32).fill(1));
    const nonce = new Uint8Array(12);
    key.seal(nonce, new Uint8Array(5000).fill(0xc5), new Uint8Array(5000).fill(0xc5));
    for (let length = 0; length < 70; length++) {
      const plaintext = new Uint8Array(length);
      const sealed = key.seal(nonce, plaintext, new Uint8Array(0));
      expect(sealed).toEqual(sealByNode(new Uint8Array(32).fill(1), nonce, plaintext, new Uint8Array(0)));
    }
  });

  test("more keys than slots take turns, also with disposals in between", () => {
    const provider = wasmProvider(create());
    const keys = Array.from({ length: layout.SLOT_COUNT * 2 + 5 }, (_, i) => {
      const raw = new Uint8Array(32).fill(i);
      return { raw, key: provider.importKey(raw), isDisposed: false };
    });
    const nonce = new Uint8Array(12);
    const message = Uint8Array.of(1, 2, 3);
    for (let round = 0; round < 3; round++) {
      for (const [i, entry] of keys.entries()) {
        if (entry.isDisposed) continue;
        expect(entry.key.seal(nonce, message, message)).toEqual(
          sealByNode(entry.raw, nonce, message, message),
        );
        if ((i + round) % 5 === 0) {
          entry.key.dispose();
          entry.isDisposed = true;
        }
      }
    }
  });

  test("a key that is let go of is wiped from the linear memory", () => {
    const engine = create();
    const provider = wasmProvider(engine);
    const key = provider.importKey(new Uint8Array(32).fill(9));
    key.seal(new Uint8Array(12), new Uint8Array(20), new Uint8Array(0));
    const slot = key.slot();
    expect(isZero(engine.memory.subarray(slot, slot + layout.SLOT_BYTES))).toBe(false);
    // The raw key is wiped as soon as it is expanded.
    expect(isZero(engine.memory.subarray(layout.KEY_AT, layout.KEY_AT + 32))).toBe(true);
    expect(isZero(engine.memory.subarray(layout.WORK_AT, layout.WORK_AT + 8))).toBe(true);
    key.dispose();
    key.dispose();
    expect(isZero(engine.memory.subarray(layout.SLOTS_AT, layout.DATA_AT))).toBe(true);
    expect(errorOf(() => key.slot()).code).toBe("ERR_DISPOSED");
  });

  test("a key that was forgotten is wiped when it is collected", async () => {
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void;
    const engine = create();
    (() => wasmProvider(engine).importKey(new Uint8Array(32).fill(9)).slot())();
    for (let i = 0; i < 100 && !isZero(engine.memory.subarray(layout.SLOTS_AT, layout.DATA_AT)); i++) {
      collect();
      await sleep(10);
    }
    expect(isZero(engine.memory.subarray(layout.SLOTS_AT, layout.DATA_AT))).toBe(true);
  });

  test("a key does not print", () => {
    const key = wasmProvider(create()).importKey(new Uint8Array(32).fill(0xab));
    key.slot();
    expect(inspect(key, { depth: 9, showHidden: true })).not.toMatch(/171|ab, ?ab|abab/);
  });
});

describe("starting", () => {
  test("takes no more than a few milliseconds, and nothing before it is asked for", () => {
    let compiled = 0;
    const counting = {
      ...api(),
      Module: class extends (wasm.Module as new (bytes: Uint8Array<ArrayBuffer>) => object) {
        constructor(bytes: Uint8Array<ArrayBuffer>) {
          super(bytes);
          compiled++;
        }
      },
    };
    const providers = providersOf({ crypto: runtime.crypto, webcrypto: undefined, wasm: counting });
    providers.sync();
    expect(compiled).toBe(0);
    expect(providers.sync(undefined, 16).name).toBe("wasm");
    providers.sync("wasm");
    expect(compiled).toBe(1);
  });

  test.each([
    ["no WebAssembly", undefined],
    ["no SIMD", { ...api(), validate: () => false }],
    [
      "compiling forbidden",
      {
        ...api(),
        Module: class {
          constructor() {
            throw new Error("code generation disallowed");
          }
        },
      },
    ],
    ["an engine that seals wrongly", { ...api(), Instance: lyingInstance({ seal: () => {} }) }],
    ["an engine that opens nothing", { ...api(), Instance: lyingInstance({ open: () => 0 }) }],
    ["an engine that opens wrongly", { ...api(), Instance: lyingInstance({ open: () => 1 }) }],
  ])("falls back with %s", async (_, described) => {
    const without = { crypto: undefined, webcrypto: undefined, wasm: described };
    expect(compileEngine(described)).toBeUndefined();
    const providers = providersOf(without);
    expect(providers.sync(undefined, 16).name).toBe("noble");
    expect((await providers.async()).name).toBe("noble");
    expect(errorOf(() => providers.sync("wasm")).code).toBe("ERR_UNSUPPORTED");
    expect(providersOf({ ...without, crypto: runtime.crypto }).sync(undefined, 16).name).toBe("node");
  });

  test("the key of the known answer does not stay in its memory", () => {
    const available = providersOf({ crypto: undefined, webcrypto: undefined, wasm });
    const { engine } = available.sync("wasm") as WasmProvider;
    expect(isZero(engine.memory.subarray(layout.SLOTS_AT, layout.DATA_AT))).toBe(true);
  });

  test("serves synchronous calls where there is no node:crypto, and small ones everywhere", async () => {
    const edge = providersOf({ crypto: undefined, webcrypto: runtime.webcrypto, wasm }, "other");
    expect(edge.sync().name).toBe("wasm");
    expect((await edge.async()).name).toBe("webcrypto");
    expect((await edge.async(undefined, 16)).name).toBe("wasm");
    expect((await edge.async(undefined, 1 << 20)).name).toBe("webcrypto");
    expect((await edge.async("noble", 16)).name).toBe("noble");
    const bare = providersOf({ crypto: undefined, webcrypto: undefined, wasm });
    expect((await bare.async()).name).toBe("wasm");
    expect(bare.now("wasm")?.name).toBe("wasm");
    const node = providersOf({ crypto: runtime.crypto, webcrypto: undefined, wasm }, "node");
    expect(node.sync(undefined, 1 << 20).name).toBe("node");
  });
});

describe("a module compiled ahead of time", () => {
  const module = compiled(buildModule());
  /** A runtime that forbids compiling, but starts what is compiled. */
  const forbidding: WebAssemblyApi = {
    ...api(),
    Module: class {
      constructor() {
        throw new EvalError("code generation disallowed");
      }
    },
  };
  const edge = { crypto: undefined, webcrypto: runtime.webcrypto, wasm: forbidding };

  /** The providers of a runtime with the module given. */
  const given = (available: Available, it: object = module, name?: RuntimeName): AeadProviders =>
    new AeadProviders([WEBCRYPTO_ROW, wasmModuleRow(available.wasm, it), NOBLE_ROW], available, name);

  test("serves where compiling is forbidden", async () => {
    const without = providersOf(edge, "other");
    expect(without.wasm).toBeUndefined();
    expect(without.sync().name).toBe("noble");
    const available = given(edge, module, "other");
    expect(available.sync().name).toBe("wasm");
    expect(available.sync(undefined, 1 << 20).name).toBe("wasm");
    expect(available.small(16)?.name).toBe("wasm");
    expect((await available.async(undefined, 16)).name).toBe("wasm");
    expect((await available.async(undefined, 1 << 20)).name).toBe("webcrypto");
    agree(
      available.wasm!,
      new Uint8Array(32),
      new Uint8Array(12),
      new Uint8Array(99),
      new Uint8Array(5),
      true,
    );
  });

  test("is taken rather than compiling one", () => {
    let compilations = 0;
    const counting = {
      ...api(),
      validate: () => {
        compilations++;
        return false;
      },
    };
    const available = given({ ...edge, wasm: counting });
    expect(available.wasm?.engine.isRelaxed).toBe(false);
    expect(compilations).toBe(0);
  });

  test("serves where nothing tells what was forgotten: there keys are wiped by dispose alone", () => {
    vi.stubGlobal("FinalizationRegistry", undefined);
    try {
      const available = given(edge);
      const key = available.wasm!.importKey(new Uint8Array(32).fill(7));
      const slot = key.slot();
      key.dispose();
      const { memory } = available.wasm!.engine;
      expect(isZero(memory.subarray(slot, slot + layout.SLOT_BYTES))).toBe(true);
    } finally {
      vi.unstubAllGlobals();
    }
  });

  test("may come from another realm", () => {
    const other = runInNewContext("new WebAssembly.Module(bytes)", { bytes: buildModule() }) as object;
    expect(other).not.toBeInstanceOf(wasm.Module);
    expect(given(edge, other).sync().name).toBe("wasm");
  });

  test.each([
    ["bytes", buildModule()],
    ["an instance", new wasm.Instance(module as never)],
    ["its functions", new wasm.Instance(module as never).exports],
    ["a promise of it", Promise.resolve(module)],
    ["a namespace", { default: module }],
    ["nothing", undefined],
    ["null", null],
  ])("%s is none", (_, value) => {
    for (const give of [(it: never) => wasmModuleRow(wasm, it), wasmModule]) {
      const error = errorOf(() => give(value as never));
      expect(error).toBeInstanceOf(TypeError);
      expect(error.code).toBe("ERR_INVALID_ARGUMENT");
    }
  });

  test.each([
    ["exports nothing", forbidding, compiled(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0))],
    ["lacks a function", { ...forbidding, Instance: lyingInstance({ openWith: undefined }) }, module],
    ["has no memory", { ...forbidding, Instance: lyingInstance({ memory: undefined }) }, module],
    [
      "has a memory of another size",
      { ...forbidding, Instance: lyingInstance({ memory: { buffer: new ArrayBuffer(65536) } }) },
      module,
    ],
    ["seals wrongly", { ...forbidding, Instance: lyingInstance({ seal: () => {} }) }, module],
    ["opens wrongly", { ...forbidding, Instance: lyingInstance({ open: () => 0 }) }, module],
    ["is only called a module", forbidding, { [Symbol.toStringTag]: "WebAssembly.Module" }],
    ["comes where there is no WebAssembly", undefined, module],
  ] as const)("one that %s is refused", (_, described, it) => {
    const error = errorOf(() => wasmModuleRow(described, it));
    expect(error).toBeInstanceOf(VaultError);
    expect(error.code).toBe("ERR_UNSUPPORTED");
  });
});

function agree(
  provider: WasmProvider,
  rawKey: Uint8Array,
  nonce: Uint8Array,
  plaintext: Uint8Array,
  aad: Uint8Array,
  withNoble: boolean,
): void {
  const key = provider.importKey(rawKey);
  const expected = sealByNode(rawKey, nonce, plaintext, aad);
  const sealed = key.seal(nonce, plaintext, aad);
  const what = `${plaintext.length} bytes with ${aad.length}`;
  if (!Buffer.from(sealed).equals(expected)) throw new Error(`sealed wrongly: ${what}`);
  if (withNoble && !Buffer.from(gcm(rawKey, nonce, aad).encrypt(plaintext)).equals(sealed)) {
    throw new Error(`noble differs: ${what}`);
  }
  const { length } = plaintext;
  const opened = key.open(nonce, sealed.subarray(0, length), sealed.subarray(length), aad);
  if (!Buffer.from(opened).equals(plaintext)) throw new Error(`opened wrongly: ${what}`);
  key.dispose();
}

/** What a runtime makes of a file that was compiled before the program ran. */
function compiled(bytes: Uint8Array): object {
  return new wasm.Module(Uint8Array.from(bytes));
}

/** An instance in which some functions are others. */
function lyingInstance(lies: object): WebAssemblyApi["Instance"] {
  return class {
    readonly exports: object;
    constructor(module: never) {
      this.exports = { ...(new wasm.Instance(module).exports as object), ...lies };
    }
  };
}

const isZero = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0);

function longestRun(bytes: Uint8Array, of: number): number {
  let longest = 0;
  let run = 0;
  for (const byte of bytes) {
    run = byte === of ? run + 1 : 0;
    longest = Math.max(longest, run);
  }
  return longest;
}
