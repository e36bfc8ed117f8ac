/**
 * `bench/crossover.ts`: from which size on a native call is faster than the WebAssembly module, on the runtime that
 * runs it (`node`, `bun`, `deno run -A`). What src/crypto/providers.ts decides by was measured with it.
 *
 * Owns nothing but this table. Needs nothing beside the runtime, so that it runs on all of them.
 *
 * @module
 */
import { DataKey, localDecryptSync, localEncryptSync } from "../src/crypto/index.ts";

const SIZES = [16, 64, 96, 128, 256, 512, 768, 1024, 1280, 1536, 2048, 4096, 16384];
const ROUNDS = 21;
const SAMPLE_US = 4000;
const WARM_UP_US = 80_000;

const { process } = globalThis;
/** Microseconds of this thread where the runtime tells, else of the clock on the wall. */
const now = (): number => {
  const used = process.threadCpuUsage?.();
  return used === undefined ? performance.now() * 1e3 : used.user + used.system;
};

let sink: unknown;

/** Microseconds a call. */
function sample(call: () => unknown, least: number): number {
  for (let calls = 1; ; calls *= 2) {
    const start = now();
    for (let i = 0; i < calls; i++) sink = call();
    const used = now() - start;
    if (used >= least) return used / calls;
  }
}

const median = (samples: number[]): number => samples.sort((a, b) => a - b)[samples.length >> 1]!;

const blob = new Uint8Array(206).fill(7);
blob.set(new TextEncoder().encode("WOS.EKM.v1\0"));
const key = new DataKey({
  id: "bench",
  key: crypto.getRandomValues(new Uint8Array(32)),
  encryptedKeys: btoa(String.fromCharCode(...blob)),
});
const { versions } = process;
console.log(
  versions.bun ? `bun ${versions.bun}` : versions.deno ? `deno ${versions.deno}` : `node ${versions.node}`,
);
console.log("bytes | seal: node, wasm (µs, median/best) | open: node, wasm");
for (const size of SIZES) {
  const text = "The quick brown fox. ".repeat(Math.ceil(size / 21)).slice(0, size);
  const runs = (["node", "wasm"] as const).flatMap((provider) => {
    const ciphertext = localEncryptSync(text, key, undefined, { provider });
    return [
      {
        work: "seal",
        samples: [] as number[],
        call: () => localEncryptSync(text, key, undefined, { provider }),
      },
      {
        work: "open",
        samples: [] as number[],
        call: () => localDecryptSync(ciphertext, key, undefined, { provider }),
      },
    ];
  });
  for (const { call } of runs) sample(call, WARM_UP_US);
  for (let round = 0; round < ROUNDS; round++) {
    for (const { call, samples } of runs) {
      await new Promise((done) => setTimeout(done, 0));
      samples.push(sample(call, SAMPLE_US));
    }
  }
  const cell = (work: string): string =>
    runs
      .filter((run) => run.work === work)
      .map(({ samples }) => `${median(samples).toFixed(2)}/${Math.min(...samples).toFixed(2)}`)
      .join(", ");
  console.log(`${size} | ${cell("seal")} | ${cell("open")}`);
}

export { sink };
