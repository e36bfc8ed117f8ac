/**
 * re-encrypt, upgrade and bind: the payload is decrypted in this process and encrypted under a new data key.
 *
 * Owns the way from old data keys to new ones: ciphertexts that shared a data key share the new one, within a page. Each new
 * ciphertext is read and decrypted again before it is handed on. Must not know how a service wraps.
 *
 * @module
 */
import { encodeBase64 } from "../../base/base64.ts";
import { EMPTY, equalBytes } from "../../base/bytes.ts";
import { type ItemResult, resultOf } from "../../base/item-result.ts";
import { HERE } from "../../crypto/ciphers/of-call.ts";
import { type ParsedEnvelope, parseEnvelope, serializeEnvelope } from "../../crypto/envelope/envelope.ts";
import { isFrameLayout, layoutRow, type WritableLayout } from "../../crypto/envelope/layouts.ts";
import type { DataKey } from "../../crypto/keys/data-key.ts";
import { type CanonicalContext, canonicalContext, contextObject } from "../../crypto/keys/key-context.ts";
import { NONCE_BYTES } from "../../crypto/limits.ts";
import { DEFAULT_LAYOUT, decryptEnvelope, encryptEnvelope } from "../../crypto/local.ts";
import { isVaultError, VaultError } from "../../errors.ts";
import { isItemError, makeKeys, unwrapKeys } from "../../keys/batch-calls.ts";
import type { JobItem, Mode, ModeTools } from "./mode.ts";

/** New data key and payload, same layout where it can be written. */
export const RE_ENCRYPT: Mode = {
  name: "re-encrypt",
  isSplice: false,
  needs: [],
  move: (items, tools) =>
    sealedAnew(items, tools, {
      open: async ({ envelope, associatedData }, key) => decrypted(envelope, key, associatedData),
      layoutOf: ({ envelope }) => tools.layout ?? writable(envelope),
    }),
};

/** Another layout. Where both lay out the same parts, they are laid out anew; else it is a re-encryption. */
export const UPGRADE: Mode = {
  name: "upgrade",
  isSplice: false,
  needs: ["layout"],
  move: async (items, tools) => {
    const layout = tools.layout!;
    const results = new Array<ItemResult<string | undefined>>(items.length);
    const left: number[] = [];
    for (const [index, { envelope }] of items.entries()) {
      const isThere = envelope.layout === layout;
      const text = isThere ? undefined : laidOutAnew(envelope, layout);
      if (isThere || text !== undefined) results[index] = { ok: true, value: text };
      else left.push(index);
    }
    const sealed = await RE_ENCRYPT.move(
      left.map((index) => items[index]!),
      tools,
    );
    for (const [n, index] of left.entries()) results[index] = sealed[n]!;
    return results;
  },
};

/** Associated data for ciphertexts that have none. */
export const BIND: Mode = {
  name: "bind",
  isSplice: false,
  needs: ["associatedData"],
  move: (items, tools) =>
    sealedAnew(items, tools, {
      open: async ({ envelope, associatedData }, key) => {
        try {
          return await decrypted(envelope, key, EMPTY);
        } catch (error) {
          if (!isVaultError(error, "ERR_DECRYPT_FAILED")) throw error;
          // What decrypts with the associated data is bound already.
          (await decrypted(envelope, key, associatedData)).fill(0);
          return undefined;
        }
      },
      layoutOf: ({ envelope }) => tools.layout ?? writable(envelope),
    }),
};

/** What differs between the modes. */
interface Sealing {
  /** The plaintext; undefined if nothing is to be done. */
  readonly open: (item: JobItem, key: DataKey) => Promise<Uint8Array | undefined>;
  readonly layoutOf: (item: JobItem) => WritableLayout;
}

/** A plaintext in hand, on its way to a new data key. */
interface Opened {
  readonly index: number;
  readonly plaintext: Uint8Array;
  readonly context: CanonicalContext;
  /** Which old data key it had. */
  readonly encryptedKeys: string;
}

async function sealedAnew(
  items: readonly JobItem[],
  { service, signal }: ModeTools,
  sealing: Sealing,
): Promise<ItemResult<string | undefined>[]> {
  const results = new Array<ItemResult<string | undefined>>(items.length);
  const keys = [...new Set(items.map(({ encryptedKeys }) => encryptedKeys))];
  const opened: Opened[] = [];
  try {
    const unwrapped = await unwrapKeys(service, keys, { signal });
    const byText = new Map(keys.map((text, n) => [text, unwrapped[n]!]));
    try {
      for (const [index, item] of items.entries()) {
        const key = byText.get(item.encryptedKeys)!;
        const result = key.ok ? await openOne(item, index, key.value, sealing) : key;
        if (result.ok && result.value !== undefined) opened.push(result.value);
        else results[index] = result as ItemResult<undefined>;
      }
    } finally {
      for (const key of unwrapped) if (key.ok) key.value.dispose();
    }
    for (const [context, group] of byContext(opened)) {
      const old = [...new Set(group.map(({ encryptedKeys }) => encryptedKeys))];
      let made: DataKey[];
      try {
        made = await makeKeys(service, contextObject(context), old.length, { signal });
      } catch (error) {
        // A context that no key can be made for is the matter of its ciphertexts.
        if (!isItemError(error)) throw error;
        for (const { index } of group) results[index] = { ok: false, error: error as Error };
        continue;
      }
      try {
        for (const one of group) {
          const item = items[one.index]!;
          results[one.index] = await sealOne(one, item, made[old.indexOf(one.encryptedKeys)]!, sealing);
        }
      } finally {
        for (const key of made) key.dispose();
      }
    }
    return results;
  } finally {
    for (const { plaintext } of opened) plaintext.fill(0);
  }
}

async function openOne(
  item: JobItem,
  index: number,
  key: DataKey,
  sealing: Sealing,
): Promise<ItemResult<Opened | undefined>> {
  try {
    const context = contextFor(item, key);
    const plaintext = await sealing.open(item, key);
    const { encryptedKeys } = item;
    return { ok: true, value: plaintext && { index, plaintext, context, encryptedKeys } };
  } catch (error) {
    return { ok: false, error: error as Error };
  }
}

async function sealOne(
  { plaintext }: Opened,
  { associatedData, ...item }: JobItem,
  key: DataKey,
  sealing: Sealing,
): Promise<ItemResult<string>> {
  try {
    const layout = sealing.layoutOf({ associatedData, ...item });
    const text = await encryptEnvelope(plaintext, key, associatedData, layout, HERE);
    const read = parseEnvelope(text);
    const again = await decrypted(read, key, associatedData);
    const isSame =
      read.layout === layout && equalBytes(read.keyBlob, key.keyBlob) && equalBytes(again, plaintext);
    again.fill(0);
    if (!isSame)
      throw new VaultError("ERR_ENVELOPE_MALFORMED", "the new ciphertext does not read as it was written");
    return { ok: true, value: text };
  } catch (error) {
    return { ok: false, error: error as Error };
  }
}

/** The context of the new key: the job's own, else that of the old key. */
function contextFor({ context }: JobItem, key: DataKey): CanonicalContext {
  if (context !== undefined) return context;
  if (key.context !== undefined) return canonicalContext(key.context);
  throw new VaultError("ERR_UNSUPPORTED", "this key service does not tell contexts: give the job a context");
}

function byContext(opened: readonly Opened[]): (readonly [CanonicalContext, Opened[]])[] {
  const groups = new Map<string, readonly [CanonicalContext, Opened[]]>();
  for (const one of opened) {
    const id = encodeBase64(one.context.bytes);
    const group = groups.get(id);
    if (group === undefined) groups.set(id, [one.context, [one]]);
    else group[1].push(one);
  }
  return [...groups.values()];
}

/** The same parts in another layout; undefined where that is not possible, or would be read as something else. */
function laidOutAnew(envelope: ParsedEnvelope, layout: WritableLayout): string | undefined {
  const isPossible =
    isFrameLayout(layout) && !layoutRow(envelope.layout).isChunked && envelope.nonce.length === NONCE_BYTES;
  if (!isPossible) return undefined;
  const text = serializeEnvelope({ ...envelope, layout });
  const read = resultOf(() => parseEnvelope(text));
  const isSame =
    read.ok &&
    read.value.layout === layout &&
    equalBytes(read.value.keyBlob, envelope.keyBlob) &&
    equalBytes(read.value.nonce, envelope.nonce) &&
    equalBytes(read.value.tag, envelope.tag) &&
    equalBytes(read.value.ciphertext, envelope.ciphertext);
  return isSame ? text : undefined;
}

/** The layout of an envelope, or the default one where that is only read. */
function writable({ layout }: ParsedEnvelope): WritableLayout {
  return layoutRow(layout).isWritable ? (layout as WritableLayout) : DEFAULT_LAYOUT;
}

async function decrypted(
  envelope: ParsedEnvelope,
  key: DataKey,
  associatedData: Uint8Array,
): Promise<Uint8Array> {
  return (await decryptEnvelope(envelope, key, associatedData, "bytes", HERE)) as Uint8Array;
}
