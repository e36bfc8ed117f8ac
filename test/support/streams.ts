/**
 * Byte streams for tests: cut into pieces, pumped through, with all that came out before an error.
 *
 * @module
 */
import { concat } from "./bytes.ts";

/** Pieces of `step` bytes; none for no bytes. */
export function cutAt(bytes: Uint8Array, step: number): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += step) pieces.push(bytes.subarray(at, at + step));
  return pieces;
}

/**
 * Writes pieces into a transform and reads all that comes out.
 *
 * @param options.keepOpen - do not close: what fails must fail by what was written
 * @returns what was released, and the error if there was one
 */
export async function pump(
  pieces: Iterable<Uint8Array>,
  stream: TransformStream<Uint8Array, Uint8Array>,
  options: { readonly keepOpen?: boolean } = {},
): Promise<{ bytes: Uint8Array; error: unknown }> {
  const writer = stream.writable.getWriter();
  writer.closed.catch(() => {});
  const writing = (async () => {
    for (const piece of pieces) {
      await writer.ready;
      // Not awaited: a refused write is told by the reader as well.
      writer.write(piece).catch(() => {});
    }
    if (options.keepOpen !== true) await writer.close();
  })().catch(() => {});
  const out: Uint8Array[] = [];
  let error: unknown;
  try {
    for await (const bytes of stream.readable as AsyncIterable<Uint8Array>) out.push(bytes);
  } catch (caught) {
    error = caught;
  }
  await writing;
  return { bytes: concat(...out), error };
}
