/**
 * Mutated envelopes: what was changed is refused with a code, or gives the plaintext that was sealed; and every way to read
 * says the same.
 *
 * @module
 */

import {
  DataKey,
  inspect,
  LAYOUTS,
  localDecryptSync,
  localEncryptSync,
  splice,
} from "../../src/crypto/index.ts";
import { isVaultError } from "../../src/errors.ts";
import { mutateBytes, mutateText, type Pick } from "./mutations.ts";

/** Runs one case. @returns what came of it: a code, or `read` @throws on what may not be */
export type FuzzCase = (pick: Pick) => string;

const RAW = Uint8Array.from({ length: 32 }, (_, i) => i);
const WRITABLE = ["iv12", "leb-first", "dotnet", "native"] as const;
const PLAINTEXTS = ["", "s3cret", "\u{feff}\u00e4\u{1f511}", "x".repeat(600)] as const;
const ASSOCIATED = "user:42";
/** docs/spec/envelope.md section 10, native-envelope.md section 9: what reading may be refused with. */
const REFUSALS: ReadonlySet<string> = new Set([
  "ERR_DECRYPT_FAILED",
  "ERR_ENVELOPE_MALFORMED",
  "ERR_ENVELOPE_TOO_LARGE",
  "ERR_ENVELOPE_UNSUPPORTED",
  "ERR_KEY_BLOB_MALFORMED",
  "ERR_LAYOUT_NOT_ALLOWED",
  "ERR_NOT_CIPHERTEXT",
]);

/** The code of a refusal. @throws anything that is none, with its stack */
export function codeOf(error: unknown, allowed: ReadonlySet<string>): string {
  if (isVaultError(error) && allowed.has(error.code)) return error.code;
  throw new Error("not a refusal that may be", { cause: error });
}

const outcome = (read: () => string): string => {
  try {
    return `text ${read()}`;
  } catch (error) {
    return codeOf(error, REFUSALS);
  }
};

function blobOf(magic: string, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i < magic.length ? magic.charCodeAt(i) : (i * 37) & 255));
}

interface Seed {
  readonly bytes: Uint8Array;
  readonly plaintext: string;
  readonly key: DataKey;
}

/** Makes the envelopes that are mutated. */
export function envelopeCase(): FuzzCase {
  const seeds: Seed[] = [];
  for (const [magic, length] of [
    ["WOS.EKM.v1\0", 206],
    ["CFR.EKM.v1\0", 151],
    ["CFR.EKM.v1\0", 11],
  ] as const) {
    const encryptedKeys = Buffer.from(blobOf(magic, length)).toString("base64");
    const key = new DataKey({ id: "id", key: RAW, encryptedKeys });
    for (const layout of WRITABLE) {
      for (const plaintext of PLAINTEXTS) {
        const text = localEncryptSync(plaintext, key, ASSOCIATED, { layout });
        seeds.push({ bytes: Buffer.from(text, "base64"), plaintext, key });
      }
    }
  }
  const others = seeds.map(({ bytes }) => bytes);
  const otherBlob = Buffer.from(blobOf("CFR.EKM.v1\0", 151)).toString("base64");
  return (pick) => {
    const { bytes, plaintext, key } = seeds[pick(seeds.length)]!;
    const lenient = pick(2) === 0;
    const changed = Buffer.from(mutateBytes(pick, bytes, others)).toString("base64");
    const text = pick(4) === 0 ? mutateText(pick, changed) : changed;
    const options = { lenient, layouts: LAYOUTS };
    const long = outcome(() => localDecryptSync(text, { dataKey: RAW }, ASSOCIATED, options));
    // A wrapped key that was replaced is no part of what is authenticated: the message may still be read.
    if (long.startsWith("text ") && !PLAINTEXTS.includes(long.slice("text ".length) as never)) {
      throw new Error("another plaintext than was ever sealed");
    }
    if (long === `text ${plaintext}` || !long.startsWith("text ")) {
      const short = outcome(() => localDecryptSync(text, key, ASSOCIATED, { lenient }));
      if (short !== long) throw new Error(`the short way says ${short}, the long way ${long}`);
    }
    const described = outcome(() => {
      const { layout } = inspect(text, { lenient });
      return layout;
    });
    // The wrapped key itself is looked into only here.
    const isDescribed = described.startsWith("text ") || described === "ERR_KEY_BLOB_MALFORMED";
    if (long.startsWith("text ") && !isDescribed) {
      throw new Error(`what is read cannot be inspected: ${described}`);
    }
    if (described.startsWith("text ")) {
      const moved = outcome(() => splice(text, otherBlob, { lenient }));
      if (moved.startsWith("text ")) {
        const again = outcome(() =>
          localDecryptSync(moved.slice("text ".length), { dataKey: RAW }, ASSOCIATED, { layouts: LAYOUTS }),
        );
        if (again !== long) throw new Error(`after a splice: ${again}, before: ${long}`);
      }
    }
    return long.startsWith("text ") ? "read" : long;
  };
}
