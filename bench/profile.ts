/**
 * Where the time of one envelope goes: `node bench/profile.ts seal 16` prints the functions with the most self time.
 *
 * Owns a loop with nothing else in it and the reading of V8's profile. For the whole tree write a profile to a file
 * (`node --cpu-prof --cpu-prof-interval 100 bench/profile.ts seal 16`) and open it in a browser's tools. V8 charges native
 * work (OpenSSL, the read of random bytes, base64) to the JavaScript function that called it.
 *
 * @module
 */
import { randomBytes } from "node:crypto";
import { Session } from "node:inspector/promises";
import { basename } from "node:path";
import { parseArgs } from "node:util";
import { DataKey, localDecryptSync, localEncryptSync } from "../src/crypto/index.ts";

const USAGE = "node bench/profile.ts seal|open BYTES [--seconds N] [--top N]\n";
const SAMPLING_MICROSECONDS = 100;
const WARM_UP_SECONDS = 0.5;
const KEY_BLOB_BYTES = 206;
/** Calls between two looks at the clock. */
const CALLS = 1000;

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { seconds: { type: "string", default: "4" }, top: { type: "string", default: "20" } },
});
const [work, bytes = "16"] = positionals;
if (work !== "seal" && work !== "open") {
  process.stderr.write(USAGE);
  process.exit(2);
}

const blob = Buffer.concat([Buffer.from("WOS.EKM.v1\0", "latin1"), randomBytes(KEY_BLOB_BYTES - 11)]);
const key = new DataKey({ id: "bench", key: randomBytes(32), encryptedKeys: blob.toString("base64") });
const size = Number(bytes);
const text = Buffer.from(randomBytes(size).toString("base64").slice(0, size)).toString();
const ciphertext = localEncryptSync(text, key);
const call = work === "seal" ? () => localEncryptSync(text, key) : () => localDecryptSync(ciphertext, key);

/** @returns calls made */
function run(seconds: number): number {
  const until = performance.now() + seconds * 1000;
  let calls = 0;
  for (; performance.now() < until; calls += CALLS) for (let i = 0; i < CALLS; i++) call();
  return calls;
}

run(WARM_UP_SECONDS);
const session = new Session();
session.connect();
await session.post("Profiler.enable");
await session.post("Profiler.setSamplingInterval", { interval: SAMPLING_MICROSECONDS });
await session.post("Profiler.start");
const start = performance.now();
const calls = run(Number(values.seconds));
const microseconds = (performance.now() - start) * 1000;
const { profile } = await session.post("Profiler.stop");
session.disconnect();

const self = new Map<string, number>();
const names = new Map(
  profile.nodes.map(({ id, callFrame: { functionName, url, lineNumber } }) => [
    id,
    `${functionName || "(anonymous)"}  ${url === "" ? "" : `${basename(url)}:${lineNumber + 1}`}`,
  ]),
);
for (const id of profile.samples ?? []) self.set(names.get(id)!, (self.get(names.get(id)!) ?? 0) + 1);
const total = profile.samples?.length ?? 1;
const perCall = microseconds / calls;
console.log(
  `${work} ${size} B: ${perCall.toFixed(2)} µs a call over ${calls} calls (sampled: slower than the bench)`,
);
for (const [name, count] of [...self].sort((a, b) => b[1] - a[1]).slice(0, Number(values.top))) {
  const share = count / total;
  console.log(
    `${(share * 100).toFixed(1).padStart(5)}%  ${(share * perCall).toFixed(2).padStart(6)} µs  ${name}`,
  );
}
