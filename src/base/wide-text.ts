/**
 * Buffers that encode long texts which are not ASCII faster than the engine does.
 *
 * Owns the way over UTF-16: its units are copied as they lie in memory, and Node's transcoder makes UTF-8 of them with the
 * processor's vectors. V8 goes through such a text character by character, which takes three times as long (Node 24: 66 µs for
 * 64 KiB, this 23). Must not know what the texts are.
 *
 * @module
 */
import { codingBuffer } from "./coding-buffer.ts";
import { builtInModule, type RuntimeGlobals, type RuntimeName } from "./runtime.ts";

/** What makes buffers: `Buffer` itself, or what stands before it. */
export interface Buffers {
  alloc(bytes: number): Buffer;
  from(memory: ArrayBufferLike, at: number, length: number): Buffer;
}

/** The transcoder of `node:buffer`. */
export type Transcode = (source: Uint8Array, from: "utf16le", to: "utf8") => Buffer;

/** Characters from which the way is worth its two copies. Measured: below 1 Ki it is no faster. */
const WIDE_CHARS_MIN = 1024;
/** Characters of a longer text are left to the engine: it comes in pieces of at most so many. */
const WIDE_CHARS_MAX = 64 * 1024;
/** Characters that are looked at, spread over a text. Where one of 50 is not ASCII, that is seen in 12 texts of 13. */
const LOOKS = 128;
/** The last character of ASCII. */
const ASCII_MAX = 0x7f;
/** A text with characters of one to four bytes, by which the transcoder is tried: what answers otherwise is not used. */
const TRIAL = "a\u00e9\u20ac\u{1f511}";

/**
 * The buffers of a runtime: on Node those of {@link wideTextBuffers}. Bun encodes such texts as fast itself, and on Deno the
 * WebAssembly module serves messages of all sizes.
 *
 * @param globals - the global object, or a description of one
 */
export function buffersOf(
  native: typeof Buffer | undefined,
  name: RuntimeName,
  globals: RuntimeGlobals = globalThis as unknown as RuntimeGlobals,
): Buffers | undefined {
  if (native === undefined || name !== "node") return native;
  const module = builtInModule("node:buffer", globals) as { readonly transcode?: Transcode } | undefined;
  return wideTextBuffers(native, module?.transcode);
}

/**
 * Buffers whose `utf8Write` takes the way over UTF-16 where a text seems to be worth it; the same bytes come out either way. Texts
 * must be well-formed.
 *
 * @returns `native` itself where there is no such transcoder
 */
export function wideTextBuffers(native: typeof Buffer, transcode: Transcode | undefined): Buffers {
  if (transcode === undefined || !isRight(native, transcode)) return native;
  let units: Buffer | undefined;
  return {
    from: (memory, at, length) => native.from(memory as ArrayBuffer, at, length),
    alloc(bytes) {
      const buffer = codingBuffer(native.alloc(bytes));
      const byEngine = buffer.utf8Write;
      buffer.utf8Write = (text, at, length) => {
        if (!isWide(text)) return byEngine.call(buffer, text, at, length);
        units ??= native.alloc(2 * WIDE_CHARS_MAX);
        const taken = units.subarray(0, units.write(text, "utf16le"));
        const encoded = transcode(taken, "utf16le", "utf8");
        taken.fill(0);
        const isRoom = encoded.length <= length;
        if (isRoom) buffer.set(encoded, at);
        encoded.fill(0);
        // Whole characters that fit: the engine cuts there.
        return isRoom ? encoded.length : byEngine.call(buffer, text, at, length);
      };
      return buffer;
    },
  };
}

/** Whether a text is long enough, and seems not to be ASCII. */
function isWide(text: string): boolean {
  const { length } = text;
  if (length < WIDE_CHARS_MIN || length > WIDE_CHARS_MAX) return false;
  const step = Math.floor(length / LOOKS);
  for (let at = 0; at < length; at += step) if (text.charCodeAt(at) > ASCII_MAX) return true;
  return false;
}

function isRight(native: typeof Buffer, transcode: Transcode): boolean {
  try {
    return transcode(native.from(TRIAL, "utf16le"), "utf16le", "utf8").equals(native.from(TRIAL));
  } catch {
    return false;
  }
}
