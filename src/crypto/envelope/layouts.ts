/**
 * The table of layouts: one row for each, in the order in which detection looks.
 *
 * Owns the order, and what follows from the rows. A new layout is a row, here and in its file. One whose bytes are of no known
 * family brings the three functions that tell, split and join them, and is named in those below, which are apart so that a
 * bundle that only reads or only writes takes no more along.
 *
 * @module
 */
import type { Bytes } from "../../base/bytes.ts";
import type { Slab } from "../../base/memory.ts";
import { invalidType, VaultError } from "../../errors.ts";
import { shapeOfChunks } from "../native/format.ts";
import { claimsNativeLayout, joinNativeLayout, NATIVE, splitNativeLayout } from "./native-layout.ts";
import type { EnvelopeParts, SplitEnvelope } from "./parts.ts";
import { claimsWorkos, DOTNET, IV12, IV32, joinWorkos, LEB_FIRST, splitWorkos } from "./workos-layouts.ts";

/** docs/spec/envelope.md section 4; the native one first (docs/spec/native-envelope.md section 7). */
const ROWS = [NATIVE, LEB_FIRST, IV12, DOTNET, IV32] as const;

/** A row of the table. */
type Row = (typeof ROWS)[number];

/** All layouts; `native` is coffer's own (docs/spec/native-envelope.md), the others WorkOS's (docs/spec/envelope.md section 3). */
export type Layout = Row["name"];

/** The layouts that coffer writes: `iv32` is read only. */
export type WritableLayout = Extract<Row, { readonly isWritable: true }>["name"];

/** The layouts of WorkOS. */
export type WorkosLayout = Extract<Row, { readonly isChunked: false }>["name"];

/** The layouts that are written as one message under the data key: their envelopes can be laid ready. */
export type FrameLayout = Extract<Row, { readonly isWritable: true; readonly isChunked: false }>["name"];

/** All layouts in the order in which detection looks. */
export const LAYOUTS: readonly Layout[] = ROWS.map(({ name }) => name);

const BY_NAME = Object.fromEntries(ROWS.map((row) => [row.name, row])) as unknown as Readonly<
  Record<Layout, Row>
>;

/** The row of a layout. */
export const layoutRow = (layout: Layout): Row => BY_NAME[layout];

/** The layout of an envelope's bytes: the first that claims them. */
export function detectLayout(bytes: Uint8Array): Layout | undefined {
  return ROWS.find((row) => (row.isChunked ? claimsNativeLayout(bytes) : claimsWorkos(row, bytes)))?.name;
}

/**
 * Takes an envelope apart whose layout was detected; all lengths are checked first.
 *
 * @throws VaultError ERR_ENVELOPE_MALFORMED, ERR_ENVELOPE_TOO_LARGE, ERR_ENVELOPE_UNSUPPORTED
 */
export function splitAs(layout: Layout, bytes: Uint8Array, lenient: boolean): SplitEnvelope {
  const row = layoutRow(layout);
  return row.isChunked ? splitNativeLayout(bytes) : splitWorkos(row, bytes, lenient);
}

/** The canonical bytes of parts in a layout. */
export function joinAs(layout: Layout, parts: EnvelopeParts, slab?: Slab): Bytes {
  const row = layoutRow(layout);
  return row.isChunked ? joinNativeLayout(parts) : joinWorkos(row, parts, slab);
}

/** Bytes of the plaintext of an envelope that has been taken apart. */
export function plaintextBytesOf(layout: Layout, { ciphertext }: EnvelopeParts): number {
  const { length } = ciphertext;
  return layoutRow(layout).isChunked ? shapeOfChunks(length).plaintextBytes : length;
}

/** Whether envelopes of a layout can be laid ready. */
export const isFrameLayout = (layout: Layout): layout is FrameLayout => {
  const { isWritable, isChunked } = layoutRow(layout);
  return isWritable && !isChunked;
};

/**
 * The policy of docs/spec/native-envelope.md section 9.
 *
 * @throws VaultError ERR_LAYOUT_NOT_ALLOWED for a layout that does not commit to its key
 */
export function checkCommitment(layout: Layout): void {
  if (layoutRow(layout).commits) return;
  throw new VaultError(
    "ERR_LAYOUT_NOT_ALLOWED",
    `the layout ${layout} does not commit to its key, which is required here`,
  );
}

/** @throws TypeError ERR_INVALID_ARGUMENT unless it is a list of layouts */
export function checkLayouts(layouts: readonly Layout[]): void {
  // A string has includes() too, which would look for parts of it.
  if (!Array.isArray(layouts) || !layouts.every((layout) => LAYOUTS.includes(layout))) {
    throw invalidType(`layouts must be a list of ${LAYOUTS.join(", ")}`);
  }
}

/**
 * A layout that may be written.
 *
 * @throws TypeError ERR_INVALID_ARGUMENT for an unknown one; VaultError ERR_LAYOUT_NOT_ALLOWED for one that is read only, and
 *   for one that does not commit to its key where that is required
 */
export function checkWritable(layout: Layout, requireCommitment: boolean): WritableLayout {
  if (!LAYOUTS.includes(layout)) throw invalidType(`layout must be one of ${LAYOUTS.join(", ")}`);
  if (!layoutRow(layout).isWritable) {
    throw new VaultError(
      "ERR_LAYOUT_NOT_ALLOWED",
      `the layout ${layout} is read only: its 32-byte nonces are not written`,
    );
  }
  if (requireCommitment) checkCommitment(layout);
  return layout as WritableLayout;
}
