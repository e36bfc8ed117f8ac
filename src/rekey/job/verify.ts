/**
 * Verify: every value of a source read again.
 *
 * Owns the count of references by KEK version, and what of the values is unwrapped or decrypted for it. Writes nothing.
 * Must not know jobs.
 *
 * @module
 */
import { encodeBase64 } from "../../base/base64.ts";
import { EMPTY } from "../../base/bytes.ts";
import { EventLoopBreaks } from "../../base/concurrency.ts";
import { Slab } from "../../base/memory.ts";
import { checkOptions, optionNames } from "../../base/options.ts";
import { type AssociatedData, associatedDataBytes } from "../../crypto/associated-data.ts";
import { HERE } from "../../crypto/ciphers/of-call.ts";
import { type ParsedEnvelope, parseEnvelope } from "../../crypto/envelope/envelope.ts";
import type { Layout } from "../../crypto/envelope/layouts.ts";
import type { DataKey } from "../../crypto/keys/data-key.ts";
import { inspectKeyBlob } from "../../crypto/keys/key-blob-info.ts";
import { decryptEnvelope } from "../../crypto/local.ts";
import { invalidType, isVaultError } from "../../errors.ts";
import { unwrapKeys } from "../../keys/batch-calls.ts";
import type { KeyService } from "../../keys/key-service.ts";
import { FINDINGS_DEFAULT, PAGE_ROWS_DEFAULT, VERIFY_SAMPLE_EVERY } from "./limits.ts";
import type { Finding, ValueOutcome } from "./outcomes.ts";
import type { CheckShare } from "./page.ts";
import type { CiphertextSource, SourceRow } from "./source.ts";

/** How a source is read again. */
export interface VerifyOptions {
  /**
   * Values that are decrypted: `none`, `sample` (default: 1 of 100) or `all`. Without associated data of the job, values
   * that have any are only unwrapped. Needs the permission to decrypt.
   */
  readonly open?: CheckShare | undefined;
  /** Findings that are listed at most; default 100. All are counted. */
  readonly findings?: number | undefined;
  /** Told after each page: rows so far. */
  readonly onProgress?: ((rows: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** References of values to one version of a KEK. */
export interface KekCount {
  readonly id: string;
  /** Undefined for WorkOS's blobs, which name none. */
  readonly version: number | undefined;
  /** Values whose data key is wrapped under it. */
  readonly references: number;
}

/** What a source holds. */
export interface VerifyReport {
  readonly rows: number;
  readonly ciphertexts: number;
  readonly empty: number;
  readonly plaintext: number;
  readonly unreadable: number;
  /** Of the values that were opened: those that have no associated data, although the job names some. */
  readonly unbound: number;
  /** Values that were unwrapped or decrypted. */
  readonly opened: number;
  readonly layouts: Readonly<Partial<Record<Layout, number>>>;
  /** By KEK id, then version. */
  readonly keks: readonly KekCount[];
  readonly findings: readonly Finding[];
}

const VERIFY_OPTIONS = /* @__PURE__ */ optionNames<VerifyOptions>({
  open: true,
  findings: true,
  onProgress: true,
  signal: true,
});

/** A ciphertext to open. */
interface Chosen {
  readonly row: SourceRow;
  readonly slot: string;
  readonly envelope: ParsedEnvelope;
}

/** The running totals. */
interface Totals {
  rows: number;
  ciphertexts: number;
  empty: number;
  plaintext: number;
  unreadable: number;
  unbound: number;
  opened: number;
  readonly layouts: Partial<Record<Layout, number>>;
  readonly keks: Map<
    string,
    { readonly id: string; readonly version: number | undefined; references: number }
  >;
  readonly findings: Finding[];
}

/** Reads every value of a source. @throws TypeError ERR_INVALID_ARGUMENT; what source and key service throw; the signal's reason */
export async function verifySource(
  source: CiphertextSource,
  service: KeyService,
  associatedData: ((row: SourceRow, slot: string) => AssociatedData) | undefined,
  options: VerifyOptions,
): Promise<VerifyReport> {
  checkOptions(options, VERIFY_OPTIONS, "verify");
  const { open = "sample", findings: findingsMax = FINDINGS_DEFAULT, signal, onProgress } = options;
  if (!["none", "sample", "all"].includes(open)) throw invalidType("open must be none, sample or all");
  const totals: Totals = {
    rows: 0,
    ciphertexts: 0,
    empty: 0,
    plaintext: 0,
    unreadable: 0,
    unbound: 0,
    opened: 0,
    layouts: {},
    keks: new Map(),
    findings: [],
  };
  const find = (row: SourceRow, slot: string, outcome: ValueOutcome, reason: string): void => {
    if (outcome === "plaintext") totals.plaintext += 1;
    else totals.unreadable += 1;
    if (totals.findings.length < findingsMax) totals.findings.push({ key: row.key, slot, outcome, reason });
  };
  const everything = { after: null, upTo: null };
  const breaks = new EventLoopBreaks();
  for (let position: string | null = null; ; ) {
    signal?.throwIfAborted();
    const rows = await source.readPage(everything, position, PAGE_ROWS_DEFAULT);
    if (rows.length === 0) break;
    position = rows[rows.length - 1]!.key;
    const chosen: Chosen[] = [];
    const slab = new Slab();
    for (const row of rows) {
      if (breaks.isDue) await breaks.takeIfDue();
      totals.rows += 1;
      for (const [index, text] of row.values.entries()) {
        const slot = source.slots[index]!;
        if (text === null) totals.empty += 1;
        else {
          const envelope = noted(text, slab, totals, (outcome, reason) => find(row, slot, outcome, reason));
          const isChosen =
            open === "all" || (open === "sample" && totals.ciphertexts % VERIFY_SAMPLE_EVERY === 1);
          if (envelope !== undefined && isChosen) chosen.push({ row, slot, envelope });
        }
      }
    }
    await openChosen(chosen, service, associatedData, totals, find, signal);
    onProgress?.(totals.rows);
  }
  const keks = [...totals.keks.values()].sort(
    (a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0) || (a.version ?? 0) - (b.version ?? 0),
  );
  return { ...totals, keks };
}

/** Counts a value by what it tells without a key. */
function noted(
  text: string,
  slab: Slab,
  totals: Totals,
  find: (outcome: ValueOutcome, reason: string) => void,
): ParsedEnvelope | undefined {
  try {
    const envelope = parseEnvelope(text, undefined, slab);
    const { keks } = inspectKeyBlob(envelope.keyBlob);
    totals.ciphertexts += 1;
    totals.layouts[envelope.layout] = (totals.layouts[envelope.layout] ?? 0) + 1;
    for (const { id, version } of keks) {
      const name = `${id}.${version ?? ""}`;
      const kek = totals.keks.get(name) ?? { id, version, references: 0 };
      totals.keks.set(name, kek);
      kek.references += 1;
    }
    return envelope;
  } catch (error) {
    const { code } = error as { code: string };
    find(code === "ERR_NOT_CIPHERTEXT" ? "plaintext" : "unreadable", code);
    return undefined;
  }
}

async function openChosen(
  chosen: readonly Chosen[],
  service: KeyService,
  associatedData: ((row: SourceRow, slot: string) => AssociatedData) | undefined,
  totals: Totals,
  find: (row: SourceRow, slot: string, outcome: ValueOutcome, reason: string) => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  const texts = chosen.map(({ envelope }) => encodeBase64(envelope.keyBlob));
  const unique = [...new Set(texts)];
  const keys = await unwrapKeys(service, unique, { signal });
  const byText = new Map(unique.map((text, i) => [text, keys[i]!]));
  try {
    for (const [i, { row, slot, envelope }] of chosen.entries()) {
      const key = byText.get(texts[i]!)!;
      totals.opened += 1;
      if (!key.ok) {
        find(row, slot, "unreadable", (key.error as { code?: string }).code ?? key.error.name);
        continue;
      }
      if (associatedData === undefined) continue;
      const aad = associatedDataBytes(associatedData(row, slot));
      if (await opens(envelope, key.value, aad)) continue;
      if (aad.length > 0 && (await opens(envelope, key.value, EMPTY))) totals.unbound += 1;
      else find(row, slot, "unreadable", "ERR_DECRYPT_FAILED");
    }
  } finally {
    for (const key of keys) if (key.ok) key.value.dispose();
  }
}

async function opens(envelope: ParsedEnvelope, key: DataKey, aad: Uint8Array): Promise<boolean> {
  try {
    ((await decryptEnvelope(envelope, key, aad, "bytes", HERE)) as Uint8Array).fill(0);
    return true;
  } catch (error) {
    if (isVaultError(error, "ERR_DECRYPT_FAILED")) return false;
    throw error;
  }
}
