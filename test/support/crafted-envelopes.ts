/**
 * Envelopes that are made to be misread: valid under a key in one layout, and as much as can be in another.
 *
 * Owns the making of cases from a seed. Must not know who reads them.
 *
 * @module
 */
import { createCipheriv } from "node:crypto";
import { serializeEnvelopeBytes } from "../../src/crypto/envelope/envelope.ts";
import type { WorkosLayout } from "../../src/crypto/envelope/layouts.ts";

/** A stream of numbers below 2^32, the same for the same seed (mulberry32). */
export function numbers(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

const MAGICS = ["WOS.EKM.v1\0", "CFR.EKM.v1\0", "V09TLkVLTS52MQ", "Q0ZSLkVLTS52MQ", "CFR1"];
const LAYOUTS: readonly WorkosLayout[] = ["iv12", "iv12", "iv12", "dotnet", "leb-first", "iv32"];

export interface Crafted {
  readonly text: string;
  readonly lenient: boolean;
}

/**
 * Makes one case.
 *
 * @param key - 32 bytes under which most cases decrypt in the layout they were made for
 * @param keyBlobs - some of them; the first is that of the key in hand
 */
export function craft(
  pick: (below: number) => number,
  key: Uint8Array,
  keyBlobs: readonly Uint8Array[],
): Crafted {
  const layout = LAYOUTS[pick(LAYOUTS.length)]!;
  const keyBlob = keyBlobs[pick(8) === 0 ? pick(keyBlobs.length) : 0]!;
  const nonce = new Uint8Array(layout === "iv32" ? 32 : 12);
  for (let i = 0; i < nonce.length; i++) nonce[i] = pick(256);
  if (pick(4) !== 0) nonce.set(claim(pick, keyBlob).subarray(0, nonce.length));
  const cipher = createCipheriv("aes-256-gcm", key, nonce, { authTagLength: 16 });
  const plain = Buffer.alloc(pick(4) === 0 ? 0 : pick(70), "text");
  const ciphertext = Buffer.concat([cipher.update(plain), cipher.final()]);
  let bytes = serializeEnvelopeBytes({ layout, keyBlob, nonce, ciphertext, tag: cipher.getAuthTag() });
  switch (pick(6)) {
    case 0: // A flipped bit, more often near the front.
      bytes[pick(2) === 0 ? pick(Math.min(64, bytes.length)) : pick(bytes.length)]! ^= 1 << pick(8);
      break;
    case 1:
      bytes = bytes.subarray(0, pick(bytes.length + 1));
      break;
    case 2: {
      // A claim anywhere near where layouts look.
      const at = pick(52);
      bytes.set(claim(pick, keyBlob).subarray(0, Math.max(0, bytes.length - at)), Math.min(at, bytes.length));
      break;
    }
  }
  const lenient = pick(3) === 0;
  return { text: spell(pick, Buffer.from(bytes).toString("base64")), lenient };
}

/** A length in some spelling, then a magic; or the native format's beginning. */
function claim(pick: (below: number) => number, keyBlob: Uint8Array): Uint8Array {
  const value = [keyBlob.length, 11, 127, 0, pick(256)][pick(5)]!;
  const length: number[] = [];
  let rest = value;
  for (let left = pick(5); left >= 0 || rest > 0; left--) {
    length.push(rest & 0x7f);
    rest >>= 7;
  }
  const encoded = length.map((low, i) => (i < length.length - 1 ? low | 0x80 : low));
  const magic = Buffer.from(MAGICS[pick(pick(2) === 0 ? 2 : MAGICS.length)]!, "latin1");
  const native = pick(4) === 0 ? [...Buffer.from("CFR1\u0001\0", "latin1")] : [];
  return Uint8Array.from([...native, ...encoded, ...magic.subarray(0, pick(6) === 0 ? pick(12) : 14)]);
}

/** Spellings of base64 that lenient readers take, and some that every reader refuses. */
function spell(pick: (below: number) => number, text: string): string {
  switch (pick(14)) {
    case 0:
      return text.replace(/=+$/, "");
    case 1:
      return `${text.slice(0, 8)}\n${text.slice(8)}`;
    case 2:
      return `${text}=`;
    case 3:
      return text.replaceAll("+", "-");
    default:
      return text;
  }
}
