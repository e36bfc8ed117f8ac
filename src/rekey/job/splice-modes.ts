/**
 * rewrap and rekey: another wrapped form of the same data key is spliced in. The payload is neither decrypted nor sent.
 *
 * Owns the grouping of ciphertexts that share a data key, and the comparison of what came back with what was there before.
 * Must not know how a service wraps.
 *
 * @module
 */
import { encodeBase64 } from "../../base/base64.ts";
import { equalBytes } from "../../base/bytes.ts";
import { type ItemResult, resultOf } from "../../base/item-result.ts";
import { Slab } from "../../base/memory.ts";
import { type ParsedEnvelope, parseEnvelope } from "../../crypto/envelope/envelope.ts";
import { spliceEnvelope } from "../../crypto/envelope/inspect.ts";

import { decodeKeyBlob, keyBlobFormatAt } from "../../crypto/keys/key-blob.ts";
import { inspectKeyBlob } from "../../crypto/keys/key-blob-info.ts";

import { canonicalContext, contextObject, type KeyContext } from "../../crypto/keys/key-context.ts";
import { uuidToText } from "../../crypto/primitives/uuid.ts";
import { VaultError } from "../../errors.ts";
import { rekeyKeys, rewrapKeys } from "../../keys/batch-calls.ts";
import type { WrappedDataKey } from "../../keys/key-service.ts";
import type { JobItem, Mode, ModeTools } from "./mode.ts";

/** Same data key and context, under the newest KEK versions. */
export const REWRAP: Mode = {
  name: "rewrap",
  isSplice: true,
  needs: [],
  move: async (items, tools) => {
    const groups = grouped(items, ({ encryptedKeys }) => encryptedKeys);
    const firsts = groups.map(([first]) => first!);
    const wrapped = await rewrapped(firsts, tools);
    return spliced(items, groups, wrapped, true);
  },
};

/** Same data key, another context. */
export const REKEY: Mode = {
  name: "rekey",
  isSplice: true,
  needs: ["context"],
  move: async (items, tools) => {
    const groups = grouped(
      items,
      ({ encryptedKeys, context }) => `${encryptedKeys}\n${encodeBase64(context!.bytes)}`,
    );
    const asked = groups.map(([first]) => requestOf(first!));
    const { signal } = tools;
    const wrapped = await rekeyKeys(tools.service, asked, { signal });
    return spliced(items, groups, wrapped, false);
  },
};

/** By the service's own rewrap, or, where it has none, by a rekey to the context that the job tells. */
async function rewrapped(
  items: readonly JobItem[],
  { service, signal }: ModeTools,
): Promise<ItemResult<WrappedDataKey>[]> {
  try {
    return await rewrapKeys(
      service,
      items.map(({ encryptedKeys }) => encryptedKeys),
      { signal },
    );
  } catch (error) {
    const isUnsupported = (error as { code?: unknown }).code === "ERR_UNSUPPORTED";
    if (!isUnsupported || items.some(({ context }) => context === undefined)) throw error;
    return rekeyKeys(service, items.map(requestOf), { signal });
  }
}

const requestOf = ({ context, encryptedKeys }: JobItem): { context: KeyContext; encryptedKeys: string } => ({
  context: contextObject(context!),
  encryptedKeys,
});

/** Indexes of items that are asked for together, in order of their first. */
function grouped(
  items: readonly JobItem[],
  keyOf: (item: JobItem) => string,
): (readonly [first: JobItem, indexes: number[]])[] {
  const groups = new Map<string, readonly [JobItem, number[]]>();
  for (let index = 0; index < items.length; index++) {
    const item = items[index]!;
    const key = keyOf(item);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item, [index]]);
    else group[1].push(index);
  }
  return [...groups.values()];
}

function spliced(
  items: readonly JobItem[],
  groups: readonly (readonly [first: JobItem, indexes: number[]])[],
  wrapped: readonly ItemResult<WrappedDataKey>[],
  isRewrap: boolean,
): ItemResult<string | undefined>[] {
  const results = new Array<ItemResult<string | undefined>>(items.length);
  const slab = new Slab();
  for (const [n, [first, indexes]] of groups.entries()) {
    const checked = checkedWrap(first, wrapped[n]!, isRewrap);
    for (const index of indexes) {
      results[index] = checked.ok
        ? resultOf(() => checked.value && spliceChecked(items[index]!.envelope, checked.value, slab))
        : checked;
    }
  }
  return results;
}

/** What a service answered, compared with what it was asked about; undefined if nothing is newer. */
function checkedWrap(
  { envelope: { keyBlob }, context }: JobItem,
  answer: ItemResult<WrappedDataKey>,
  isRewrap: boolean,
): ItemResult<WrappedDataKey | undefined> {
  return resultOf(() => {
    if (!answer.ok) throw answer.error;
    const { value } = answer;
    if (context !== undefined && value.context !== undefined) {
      if (!equalBytes(canonicalContext(value.context).bytes, context.bytes)) {
        throw new VaultError(
          "ERR_KEY_MISMATCH",
          "the ciphertext's key context is not the one that the job tells",
        );
      }
    }
    if (equalBytes(value.keyBlob, keyBlob)) return undefined;
    return isNewer(keyBlob, value, isRewrap) ? value : undefined;
  });
}

/**
 * Whether a new wrapped form is under other KEKs, or other versions of them, than the old one.
 *
 * @throws VaultError ERR_SERVICE_BAD_RESPONSE if it tells another data key than the answer, or, of a rewrap, than the old form
 */
function isNewer(keyBlob: Uint8Array, { id, keyBlob: made }: WrappedDataKey, isRewrap: boolean): boolean {
  if (keyBlobFormatAt(made, 0) !== "coffer" || keyBlobFormatAt(keyBlob, 0) !== "coffer") {
    // A WorkOS blob names no versions, and may tell nothing.
    const told = inspectKeyBlob(made).dataKeyId;
    if (told !== undefined && told !== id) throw wrongAnswer();
    return true;
  }
  const [before, after] = [decodeKeyBlob(keyBlob), decodeKeyBlob(made)];
  if (uuidToText(after.dataKeyId) !== id) throw wrongAnswer();
  const areSameKeks =
    before.keks.length === after.keks.length &&
    before.keks.every((kek, i) => equalBytes(kek.id, after.keks[i]!.id));
  if (isRewrap && !(areSameKeks && equalBytes(before.dataKeyId, after.dataKeyId))) throw wrongAnswer();
  return !areSameKeks || before.keks.some((kek, i) => kek.version !== after.keks[i]!.version);
}

/** A spliced text, read again: everything but the wrapped key must be what it was. */
function spliceChecked(envelope: ParsedEnvelope, { keyBlob }: WrappedDataKey, slab: Slab): string {
  const text = spliceEnvelope(envelope, keyBlob, slab);
  const read = parseEnvelope(text, undefined, slab);
  const isSame =
    read.layout === envelope.layout &&
    equalBytes(read.keyBlob, keyBlob) &&
    equalBytes(read.nonce, envelope.nonce) &&
    equalBytes(read.tag, envelope.tag) &&
    equalBytes(read.ciphertext, envelope.ciphertext);
  if (!isSame)
    throw new VaultError("ERR_ENVELOPE_MALFORMED", "the spliced ciphertext does not read as it was written");
  return text;
}

function wrongAnswer(): VaultError {
  return new VaultError(
    "ERR_SERVICE_BAD_RESPONSE",
    "the key service answered another data key than was asked for",
  );
}
