/**
 * A page of a job: from rows as they were read to what is to be written.
 *
 * Owns the reading of values, the outcome of each, and the check of a sample against the key service. Writes nothing. Must
 * not know where rows are stored.
 *
 * @module
 */
import { encodeBase64 } from "../../base/base64.ts";
import { copyBytes, startsWithAt } from "../../base/bytes.ts";
import { EventLoopBreaks } from "../../base/concurrency.ts";
import { type ItemResult, resultOf } from "../../base/item-result.ts";
import { Slab } from "../../base/memory.ts";
import { type AssociatedData, associatedDataBytes } from "../../crypto/associated-data.ts";
import { parseEnvelope } from "../../crypto/envelope/envelope.ts";
import { keyBlobFormatAt } from "../../crypto/keys/key-blob.ts";
import { type CanonicalContext, canonicalContext, type KeyContext } from "../../crypto/keys/key-context.ts";
import { isVaultError, VaultError } from "../../errors.ts";
import { unwrapKeys } from "../../keys/batch-calls.ts";
import type { JobItem, Mode, ModeTools } from "./mode.ts";
import { type DecidedValue, FINDING_REASONS } from "./outcomes.ts";
import type { DecidedRow, SourceRow } from "./source.ts";

/** How much of what was moved is unwrapped again before it is written. */
export type CheckShare = "none" | "sample" | "all";

/** One of so many moved values is checked with `sample`, and at least one of each page. Ours: 1 % of the calls. */
export const CHECK_SAMPLE_EVERY = 100;

/** What a job does to pages. */
export interface PageRules {
  readonly mode: Mode;
  readonly tools: ModeTools;
  readonly check: CheckShare;
  readonly slots: readonly string[];
  /** Characters that a slot takes at most. */
  readonly charactersMax: readonly (number | undefined)[];
  readonly context: ((row: SourceRow) => KeyContext) | undefined;
  readonly associatedData: ((row: SourceRow, slot: string) => AssociatedData) | undefined;
}

/** A value on its way. */
interface Candidate {
  readonly rowIndex: number;
  readonly slotIndex: number;
  readonly item: JobItem;
}

/**
 * Decides what becomes of rows. Nothing is written.
 *
 * @throws VaultError what is wrong with the key service; the signal's reason
 */
export async function decidePage(rows: readonly SourceRow[], rules: PageRules): Promise<DecidedRow[]> {
  const decided: DecidedValue[][] = rows.map(() => []);
  const candidates: Candidate[] = [];
  const breaks = new EventLoopBreaks();
  const slab = new Slab();
  let last: JobItem | undefined;
  for (let rowIndex = 0; rowIndex < rows.length; rowIndex++) {
    if (breaks.isDue) await breaks.takeIfDue();
    const row = rows[rowIndex]!;
    const context = rules.context === undefined ? undefined : contextFor(row, rules.context);
    for (let slotIndex = 0; slotIndex < row.values.length; slotIndex++) {
      const read = readValue(row, slotIndex, context, rules, { last, slab });
      if ("outcome" in read) decided[rowIndex]![slotIndex] = read;
      else {
        last = read;
        candidates.push({ rowIndex, slotIndex, item: read });
      }
    }
  }
  const items = candidates.map(({ item }) => item);
  const moved = items.length === 0 ? [] : await rules.mode.move(items, rules.tools);
  await checkMoved(candidates, moved, rules);
  for (let n = 0; n < candidates.length; n++) {
    const { rowIndex, slotIndex, item } = candidates[n]!;
    decided[rowIndex]![slotIndex] = decision(moved[n]!, item, rules.charactersMax[slotIndex]);
  }
  return rows.map((row, index) => ({ row, values: decided[index]! }));
}

/** A context, or what is wrong with it: errors of the job's own function are about one row. */
const contextFor = (
  row: SourceRow,
  contextOf: (row: SourceRow) => KeyContext,
): ItemResult<CanonicalContext> => resultOf(() => canonicalContext(contextOf(row)));

/** What values of a page have in common. */
interface Neighbours {
  /** The value before it: values that share a data key often stand together. */
  readonly last: JobItem | undefined;
  readonly slab: Slab;
}

function readValue(
  row: SourceRow,
  slotIndex: number,
  context: ItemResult<CanonicalContext> | undefined,
  { associatedData, slots }: PageRules,
  { last, slab }: Neighbours,
): DecidedValue | JobItem {
  const text = row.values[slotIndex] ?? null;
  if (text === null) return { outcome: "empty" };
  const envelope = resultOf(() => parseEnvelope(text, undefined, slab));
  if (!envelope.ok) {
    const reason = codeOf(envelope.error);
    return { outcome: reason === "ERR_NOT_CIPHERTEXT" ? "plaintext" : "unreadable", reason };
  }
  if (context?.ok === false) return { outcome: "unreadable", reason: FINDING_REASONS.context };
  const aad = resultOf(() => copyBytes(associatedDataBytes(associatedData?.(row, slots[slotIndex]!))));
  if (!aad.ok) return { outcome: "unreadable", reason: FINDING_REASONS.associatedData };
  const { keyBlob } = envelope.value;
  const isShared =
    last?.envelope.keyBlob.length === keyBlob.length && startsWithAt(keyBlob, last.envelope.keyBlob, 0);
  return {
    envelope: envelope.value,
    encryptedKeys: isShared ? last.encryptedKeys : encodeBase64(keyBlob),
    context: context?.value,
    associatedData: aad.value,
  };
}

function decision(
  result: ItemResult<string | undefined>,
  { envelope }: JobItem,
  charactersMax: number | undefined,
): DecidedValue {
  if (!result.ok) {
    const reason = codeOf(result.error);
    const isForeign =
      reason === "ERR_KEY_NOT_FOUND" ||
      (reason === "ERR_KEY_BLOB_MALFORMED" && keyBlobFormatAt(envelope.keyBlob, 0) === "workos");
    return { outcome: isForeign ? "foreign" : "unreadable", reason };
  }
  const { value } = result;
  if (value === undefined) return { outcome: "current" };
  if (charactersMax !== undefined && value.length > charactersMax)
    return { outcome: "refused", reason: FINDING_REASONS.tooLong };
  return { outcome: "moved", replacement: value };
}

/**
 * Unwraps old and new wrapped keys of some moved values: both must be the same data key. What was re-encrypted has been
 * decrypted again already, with the new key in hand.
 *
 * @throws VaultError ERR_SERVICE_BAD_RESPONSE if a sample differs: then no other answer is to be trusted
 */
async function checkMoved(
  candidates: readonly Candidate[],
  moved: ItemResult<string | undefined>[],
  { mode, check, tools: { service, signal } }: PageRules,
): Promise<void> {
  if (!mode.isSplice || check === "none") return;
  const changed = [...moved.keys()].filter((n) => {
    const result = moved[n]!;
    return result.ok && result.value !== undefined;
  });
  const chosen = check === "all" ? changed : changed.filter((_, i) => i % CHECK_SAMPLE_EVERY === 0);
  const texts = chosen.flatMap((n) => {
    const { value } = moved[n] as { value: string };
    return [candidates[n]!.item.encryptedKeys, encodeBase64(parseEnvelope(value).keyBlob)];
  });
  const unique = [...new Set(texts)];
  const keys = await unwrapKeys(service, unique, { signal });
  const byText = new Map(unique.map((text, i) => [text, keys[i]!]));
  try {
    for (const [i, n] of chosen.entries()) {
      const [before, after] = [byText.get(texts[2 * i]!)!, byText.get(texts[2 * i + 1]!)!];
      if (before.ok && after.ok && before.value.holdsSameKey(after.value)) continue;
      const error = new VaultError(
        "ERR_SERVICE_BAD_RESPONSE",
        "a data key that was wrapped anew does not unwrap to the same key: nothing of this page is written",
      );
      if (check === "sample") throw error;
      moved[n] = { ok: false, error };
    }
  } finally {
    for (const key of keys) if (key.ok) key.value.dispose();
  }
}

function codeOf(error: Error): string {
  return isVaultError(error) ? error.code : "ERR_INVALID_ARGUMENT";
}
