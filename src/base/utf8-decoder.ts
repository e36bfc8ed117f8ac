/**
 * Text out of UTF-8 (RFC 3629), strictly: nothing is repaired, a leading byte order mark is kept.
 *
 * Owns the engine's decoder, and one of our own where there is none. Must not know whose text it is.
 *
 * @module
 */

/** @returns undefined where the bytes are not UTF-8 */
export type DecodeUtf8 = (bytes: Uint8Array) => string | undefined;

/** UTF-16 units that are turned into text at once: arguments of one call. */
const PIECE_UNITS = 4_096;

/** For each length of a sequence behind its first byte, the smallest code point that needs it. */
const SMALLEST = [0, 0x80, 0x800, 0x10000] as const;
const LARGEST = 0x10ffff;

/** How many bytes follow a first byte; undefined for what begins no character. */
function followers(first: number): 0 | 1 | 2 | 3 | undefined {
  if (first < 0x80) return 0;
  if (first < 0xc0) return undefined;
  if (first < 0xe0) return 1;
  if (first < 0xf0) return 2;
  return first < 0xf8 ? 3 : undefined;
}

/** Without the engine's help. */
export const decodeByTable: DecodeUtf8 = (bytes) => {
  let text = "";
  let units: number[] = [];
  for (let at = 0; at < bytes.length; ) {
    const first = bytes[at++]!;
    const count = followers(first);
    if (count === undefined || at + count > bytes.length) return undefined;
    let point = count === 0 ? first : first & (0x3f >> count);
    for (let i = 0; i < count; i++) {
      const next = bytes[at++]!;
      if ((next & 0xc0) !== 0x80) return undefined;
      point = (point << 6) | (next & 0x3f);
    }
    const isSurrogate = point >= 0xd800 && point < 0xe000;
    if (point < SMALLEST[count] || point > LARGEST || isSurrogate) return undefined;
    if (point < 0x10000) units.push(point);
    else units.push(0xd7c0 + (point >> 10), 0xdc00 | (point & 0x3ff));
    if (units.length >= PIECE_UNITS) {
      text += String.fromCharCode(...units);
      units = [];
    }
  }
  return text + String.fromCharCode(...units);
};

/** @param Decoder - the engine's `TextDecoder`, if it has one */
export function utf8Decoder(Decoder: typeof TextDecoder | undefined): DecodeUtf8 {
  if (Decoder === undefined) return decodeByTable;
  // ignoreBOM keeps a leading U+FEFF in the text: what went in comes out. fatal refuses instead of repairing.
  const decoder = new Decoder("utf-8", { fatal: true, ignoreBOM: true });
  return (bytes) => {
    try {
      return decoder.decode(bytes);
    } catch {
      return undefined;
    }
  };
}
