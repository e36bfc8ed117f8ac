/**
 * The table of layouts: one row for each, in the order in which detection looks.
 *
 * Owns the order, and what follows from the rows. A new layout is a file with its row, and its place here.
 *
 * @module
 */
import { invalidType, VaultError } from "../../errors.ts";
import { NATIVE } from "./native-layout.ts";
import type { LayoutRow } from "./parts.ts";
import { DOTNET, IV12, IV32, LEB_FIRST } from "./workos-layouts.ts";

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
  Record<Layout, LayoutRow>
>;
const FRAME_LAYOUTS: ReadonlySet<Layout> = /* @__PURE__ */ (() =>
  new Set(ROWS.filter((row) => row.isWritable && !row.isChunked).map(({ name }) => name)))();

/** The row of a layout. */
export const layoutRow = (layout: Layout): LayoutRow => BY_NAME[layout];

/** The layout of an envelope's bytes: the first whose row claims them. */
export function detectLayout(bytes: Uint8Array): Layout | undefined {
  return ROWS.find((row) => row.claims(bytes))?.name;
}

/** Whether envelopes of a layout can be laid ready. */
export const isFrameLayout = (layout: Layout): layout is FrameLayout => FRAME_LAYOUTS.has(layout);

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
