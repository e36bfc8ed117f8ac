/**
 * `node test/soak/short-ways.ts [CASES]`: the short ways against the long way, on crafted envelopes; default 10^7.
 *
 * Owns the long run of test/crypto/short-ways.test.ts's comparison. Stops at the first difference.
 *
 * @module
 */
import { DataKey, LAYOUTS, localDecryptSync } from "../../src/crypto/index.ts";
import { Lease } from "../../src/keys/index.ts";
import { craft, numbers } from "../support/crafted-envelopes.ts";

const cases = Number(process.argv[2] ?? 1e7);
const seed = Number(process.argv[3] ?? Date.now());
const raw = Uint8Array.from({ length: 32 }, (_, i) => i);
const blobs = [206, 11, 151].map((bytes, n) => {
  const magic = n === 2 ? "CFR.EKM.v1\0" : "WOS.EKM.v1\0";
  return Uint8Array.from({ length: bytes }, (_, i) => (i < magic.length ? magic.charCodeAt(i) : i));
});
const keyOf = (blob: Uint8Array): DataKey =>
  new DataKey({ id: "id", key: raw, encryptedKeys: Buffer.from(blob).toString("base64") });

function outcome(call: () => unknown): string {
  try {
    return `text ${String(call())}`;
  } catch (error) {
    return (error as { code: string }).code;
  }
}

const pick = numbers(seed);
const keys = blobs.map(keyOf);
const leases = blobs.flatMap((blob) =>
  (["iv12", "leb-first", "dotnet"] as const).map(
    (layout) => new Lease(keyOf(blob), { layout, maxAgeMs: 86_400_000 }),
  ),
);
const counts = new Map<string, number>();
for (let n = 0; n < cases; n++) {
  const which = n % blobs.length;
  const { text, lenient } = craft(pick, raw, [blobs[which]!, ...blobs]);
  const long = outcome(() => localDecryptSync(text, { dataKey: raw }, "", { lenient }));
  const provider = (["wasm", "node"] as const)[n & 1]!;
  const short = outcome(() => localDecryptSync(text, keys[which]!, "", { lenient, provider }));
  const lease = leases[which * 3 + ((n % 7) % 3)]!;
  const leaseLong = outcome(() => lease.decryptSync(text, "", { lenient, layouts: LAYOUTS }));
  const leaseShort = outcome(() => {
    if (n % 2 === 0) return lease.decryptSync(text, "", { lenient });
    const [result] = lease.decryptManySync([text], "", { lenient });
    if (!result!.ok) throw result!.error;
    return result!.value;
  });
  if (short !== long || leaseShort !== leaseLong) {
    console.error(`seed ${seed}, case ${n}: ${text}\n${long} / ${short}; ${leaseLong} / ${leaseShort}`);
    process.exit(1);
  }
  const kind = long.slice(0, long.startsWith("text") ? 4 : undefined);
  counts.set(kind, (counts.get(kind) ?? 0) + 1);
}
console.log(`seed ${seed}: ${cases} cases, no difference`, Object.fromEntries(counts));
process.exit(0);
