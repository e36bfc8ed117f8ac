/**
 * Which provider serves what on this runtime, and that randomness comes.
 *
 * Portable; what is expected is the runner's to say.
 *
 * @module
 */

import { toHex } from "../../../src/base/bytes.ts";
import { inspect } from "../../../src/crypto/index.ts";
import { fillRandom, randomBytes } from "../../../src/crypto/primitives/random.ts";
import { uuidToText, uuidV4 } from "../../../src/crypto/primitives/uuid.ts";
import { SAMPLE_1 } from "../../support/samples.ts";
import { localEncrypt, localEncryptSync, sync } from "./coffer.ts";
import { type Context, PROVIDER_NAMES, sampleKey } from "./context.ts";

const SMALL_BYTES = 16;
const LARGE_BYTES = 1 << 20;
const DRAWS = 500;

export async function checkChoice({ checks, input, available }: Context): Promise<void> {
  const { expected } = input;
  const { providers } = sync();
  const names = available.map(({ name }) => name);
  checks.same(names, expected.providers, "providers");
  checks.same(providers.sync(undefined, SMALL_BYTES).name, expected.syncSmall, "a small call at once");
  checks.same(providers.sync(undefined, LARGE_BYTES).name, expected.syncLarge, "a large call at once");
  checks.same((await providers.async(undefined, SMALL_BYTES)).name, expected.asyncSmall, "a small call");
  checks.same((await providers.async(undefined, LARGE_BYTES)).name, expected.asyncLarge, "a large call");
  // Who asks for one by name gets that one or an error, never another.
  for (const name of PROVIDER_NAMES) {
    const isThere = names.includes(name);
    using held = sampleKey();
    for (const key of [SAMPLE_1, held]) {
      const later = (): unknown => localEncrypt("a", key, "", { provider: name });
      const now = (): unknown => localEncryptSync("a", key, "", { provider: name });
      const none = "no error";
      await checks.refuses(isThere ? none : "ERR_UNSUPPORTED", later, `${name} by name`);
      const isThereNow = isThere && name !== "webcrypto";
      await checks.refuses(isThereNow ? none : "ERR_UNSUPPORTED", now, `${name} by name, at once`);
    }
  }
  const other = (): unknown => localEncryptSync("a", SAMPLE_1, "", { provider: "openssl" as never });
  await checks.refuses("ERR_INVALID_ARGUMENT", other, "a provider that is none");
}

export function checkRandomness({ checks }: Context): void {
  using key = sampleKey();
  const layouts = ["iv12", "leb-first", "dotnet", "native"] as const;
  for (const layout of layouts) {
    const sealed = Array.from({ length: DRAWS }, () => localEncryptSync("the same", key, "", { layout }));
    checks.same(new Set(sealed).size, DRAWS, `${layout}: no two envelopes of the same text are alike`);
    checks.same(new Set(sealed.map((text) => inspect(text).encryptedKeys)).size, 1, "key blobs");
  }
  // Web Crypto hands out 65,536 bytes at most in one call.
  for (const length of [0, 1, 12, 24, 32, 65_535, 65_536, 65_537, 200_000]) {
    const bytes = randomBytes(length);
    checks.same(bytes.length, length, "random bytes");
    // Of 32 bytes none being set has a chance of 2^-256; of the last 32 likewise.
    if (length < 32) continue;
    for (const part of [bytes.subarray(0, 32), bytes.subarray(-32)]) {
      checks.ok(
        part.some((byte) => byte !== 0),
        `${length} random bytes are zeros`,
      );
    }
  }
  const drawn = new Set(Array.from({ length: DRAWS }, () => toHex(randomBytes(16))));
  checks.same(drawn.size, DRAWS, "draws of 16 bytes");
  const target = new Uint8Array(100);
  fillRandom(target, 30, 40);
  const isZero = (from: number, to: number): boolean => target.subarray(from, to).every((byte) => byte === 0);
  checks.ok(isZero(0, 30) && !isZero(30, 70) && isZero(70, 100), "a part of an array is filled, and no more");
  const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
  checks.ok(uuid.test(uuidToText(uuidV4())), "a UUIDv4");
}
