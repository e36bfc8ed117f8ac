/**
 * `Uint8Array.prototype.toBase64` and `setFromBase64` as ECMAScript 2026 section 23.3 defines them, for runtimes that
 * have them not yet (Node up to 24): so that what is built on them can be tested there. Where they are native the
 * native ones are tested (test/runtimes).
 */

const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const WHITE_SPACE = "\t\n\f\r ";

interface Read {
  read: number;
  written: number;
}

/** FromBase64 with the alphabet base64 and lastChunkHandling strict (section 23.3.3.9). */
function setFromBase64(target: Uint8Array, text: string): Read {
  let chunk = "";
  let read = 0;
  let written = 0;
  const take = (chars: string): void => {
    const bits =
      [...chars].reduce((sum, char) => sum * 64 + DIGITS.indexOf(char), 0) * 64 ** (4 - chars.length);
    for (let i = 0; i < chars.length - 1; i++) target[written++] = (bits >> (16 - 8 * i)) & 0xff;
  };
  for (let at = 0; target.length > 0; ) {
    while (at < text.length && WHITE_SPACE.includes(text[at]!)) at++;
    if (at === text.length) {
      if (chunk !== "") throw new SyntaxError("the last chunk is not whole");
      return { read: text.length, written };
    }
    const char = text[at++]!;
    if (char === "=") {
      const padding = text.slice(at - 1).replaceAll(/[\t\n\f\r ]/g, "");
      if (chunk.length < 2 || padding !== "=".repeat(4 - chunk.length))
        throw new SyntaxError("wrong padding");
      const extra = DIGITS.indexOf(chunk.at(-1)!) & (chunk.length === 2 ? 15 : 3);
      if (extra !== 0) throw new SyntaxError("bits that are not zero");
      take(chunk);
      return { read: text.length, written };
    }
    if (!DIGITS.includes(char)) throw new SyntaxError("not base64");
    const remaining = target.length - written;
    if ((remaining === 1 && chunk.length === 2) || (remaining === 2 && chunk.length === 3)) break;
    chunk += char;
    if (chunk.length === 4) {
      take(chunk);
      chunk = "";
      read = at;
      if (written === target.length) break;
    }
  }
  return { read, written };
}

/** Gives arrays the methods that this runtime has not. */
export function addBase64Builtins(): void {
  if ("setFromBase64" in Uint8Array.prototype) return;
  Object.defineProperties(Uint8Array.prototype, {
    toBase64: {
      configurable: true,
      value(this: Uint8Array) {
        return Buffer.from(this.buffer, this.byteOffset, this.byteLength).toString("base64");
      },
    },
    setFromBase64: {
      configurable: true,
      value(this: Uint8Array, text: string) {
        return setFromBase64(this, text);
      },
    },
  });
}
