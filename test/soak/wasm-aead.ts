/**
 * Random messages through the WebAssembly provider, each held against node:crypto: ten million by default, which
 * takes some minutes; `--short` for CI; `--messages N`, `--seed N`.
 *
 * Owns the loop. Each message has random sizes of plaintext (mostly short, sometimes to 200,000 bytes) and
 * associated data; keys live for a while, are opened with a wrong tag now and then, and are disposed of.
 *
 * @module
 */
import { createCipheriv } from "node:crypto";
import { parseArgs } from "node:util";
import { runtime } from "../../src/base/runtime.ts";
import { compileEngine } from "../../src/crypto/aead/wasm/compile.ts";
import type { WasmEngine } from "../../src/crypto/aead/wasm/engine.ts";
import { wasmProvider } from "../../src/crypto/aead/wasm.ts";
import { isVaultError } from "../../src/errors.ts";
import { seededStream } from "../support/bytes.ts";

const { values } = parseArgs({
  options: {
    short: { type: "boolean" },
    messages: { type: "string" },
    seed: { type: "string", default: "1" },
  },
});
const total = Number(values.messages ?? (values.short ? 30_000 : 10_000_000));
const seed = Number(values.seed);
const next = seededStream(seed);
const engines = [compileEngine(runtime.wasm), plainEngine()];
const providers = engines.map((engine) => {
  if (engine === undefined) throw new Error("this runtime has no WebAssembly SIMD");
  return wasmProvider(engine);
});

let refused = 0;
let bytes = 0;
let keys = newKeys();
const started = performance.now();
for (let n = 0; n < total; n++) {
  if (n % 1000 === 999) {
    for (const key of keys.held) key.dispose();
    keys = newKeys();
  }
  const [choice, ...sizes] = next(8);
  const size = sizes[0]! | (sizes[1]! << 8) | (sizes[2]! << 16);
  const length = choice! < 200 ? size % 400 : choice! < 255 || size % 64 > 0 ? size % 5000 : size % 200_000;
  const aad = Uint8Array.from(next(choice! % 2 === 0 ? 0 : sizes[3]! % 70));
  const nonce = Uint8Array.from(next(12));
  const plaintext = Uint8Array.from(next(length));
  const cipher = createCipheriv("aes-256-gcm", keys.raw, nonce).setAAD(aad);
  const expected = Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
  // The engine without relaxed SIMD takes every fourth message.
  const key = keys.held[n % 4 === 0 ? 1 : 0]!;
  const sealed = key.seal(nonce, plaintext, aad);
  if (!expected.equals(sealed)) fail(n, "sealed wrongly");
  const ciphertext = sealed.subarray(0, length);
  const tag = sealed.subarray(length);
  if (!Buffer.from(key.open(nonce, ciphertext, tag, aad)).equals(plaintext)) fail(n, "opened wrongly");
  if (n % 16 === 0) {
    sealed[sizes[4]! % sealed.length]! ^= 1 << (sizes[5]! & 7);
    try {
      key.open(nonce, ciphertext, tag, aad);
      fail(n, "opened an altered message");
    } catch (error) {
      if (!isVaultError(error, "ERR_DECRYPT_FAILED")) throw error;
      refused++;
    }
  }
  bytes += length;
}
const seconds = ((performance.now() - started) / 1000).toFixed(1);
console.log(
  `wasm-aead: ${total} messages (${bytes} bytes) agree, ${refused} altered ones refused, ${seconds} s, seed ${seed}`,
);

function newKeys() {
  const raw = Uint8Array.from(next(32));
  return { raw, held: providers.map((provider) => provider.importKey(raw)) };
}

function plainEngine(): WasmEngine | undefined {
  const wasm = runtime.wasm!;
  let asked = 0;
  const validate = (module: Uint8Array<ArrayBuffer>): boolean => asked++ > 0 && wasm.validate(module);
  return compileEngine({ Module: wasm.Module, Instance: wasm.Instance, validate });
}

function fail(n: number, what: string): never {
  throw new Error(`message ${n} of seed ${seed}: ${what}`);
}
