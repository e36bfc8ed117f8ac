/**
 * Batches of data keys over HTTP: several wrapped keys in one request to a coffer server.
 *
 * Owns how a batch is cut to the size of a request, and how its answer is checked: as many results as items, each for its
 * own item. Must not know how requests are sent, nor single operations on data keys.
 *
 * @module
 */
import { type Bytes, equalBytes } from "../base/bytes.ts";
import { type ItemResult, resultOf } from "../base/item-result.ts";
import { keyBlobFromText } from "../crypto/keys/data-key.ts";
import { keyBlobFormatAt, testBlobRefused } from "../crypto/keys/key-blob.ts";
import { inspectKeyBlob } from "../crypto/keys/key-blob-info.ts";
import { VaultError, type VaultErrorCode } from "../errors.ts";
import { type CallOptions, KEY_BATCH_ITEMS_MAX, type WrappedDataKey } from "../keys/key-service.ts";
import type { Revision } from "../keys/revisions.ts";
import { badResponse, contextOf, objectOf, textOf, type Wire } from "../wire/bodies.ts";
import { KNOWN_CODES, type StatusCodes } from "./refusals.ts";
import { serviceWords } from "./service-words.ts";
import type { Transport } from "./transport.ts";

/** Characters of wrapped keys in one request: well below the 1 MiB that a coffer server takes. Ours. */
const BATCH_CHARACTERS_MAX = 512 * 1024;

/** An item with its wrapped key, which has been checked. */
export interface BatchItem<T> {
  readonly item: T;
  readonly encryptedKeys: string;
  /** The wrapped key as bytes; one that is none is its item's error and is not sent. */
  readonly keyBlob: ItemResult<Bytes>;
}

/** A wrapped key that a service may be asked about. @throws VaultError ERR_KEY_BLOB_MALFORMED for none, or a test vault's */
export function sentBlob(encryptedKeys: string): Bytes {
  const keyBlob = keyBlobFromText(encryptedKeys);
  if (keyBlobFormatAt(keyBlob, 0) !== "test") return keyBlob;
  throw testBlobRefused();
}

/** Items with their wrapped keys checked: before anything is asked. */
export function checkItems<T>(items: readonly T[], encryptedKeysOf: (item: T) => string): BatchItem<T>[] {
  return items.map((item) => {
    const encryptedKeys = encryptedKeysOf(item);
    return { item, encryptedKeys, keyBlob: resultOf(() => sentBlob(encryptedKeys)) };
  });
}

/** One request about several wrapped keys. */
export interface KeyBatch<T, R> {
  /** The last segment of the path, below `/coffer/v1/keys`. */
  readonly operation: "decrypts" | "rekeys" | "rewraps" | "check";
  readonly items: readonly BatchItem<T>[];
  readonly body: (items: readonly T[]) => unknown;
  readonly read: (result: Wire, item: T, keyBlob: Bytes, revision: Revision | undefined) => R;
  readonly codes: StatusCodes;
  /** The call that the batch is part of. */
  readonly call: CallOptions;
  /** Told the revision of each answer. */
  readonly onRevision?: ((revision: Revision | undefined) => void) | undefined;
}

/**
 * Asks about several wrapped keys.
 *
 * @returns one result per item, in order; what the service says about an item, or answers wrongly about it, is its error
 * @throws VaultError as the transport, and ERR_SERVICE_BAD_RESPONSE if the number of results is another
 */
export async function sendKeyBatch<T, R>(
  transport: Transport,
  batch: KeyBatch<T, R>,
): Promise<ItemResult<R>[]> {
  const { items } = batch;
  const results = new Array<ItemResult<R>>(items.length);
  const fit: number[] = [];
  for (const [index, { keyBlob }] of items.entries()) {
    if (keyBlob.ok) fit.push(index);
    else results[index] = keyBlob;
  }
  for (const part of parts(fit, (index) => items[index]!.encryptedKeys.length)) {
    const sent = part.map((index) => items[index]!);
    const answers = await transport.send({
      call: batch.call,
      method: "POST",
      path: ["coffer", "v1", "keys", batch.operation],
      isRepeatable: true,
      body: batch.body(sent.map(({ item }) => item)),
      codes: batch.codes,
      read: (body, revision) => {
        batch.onRevision?.(revision);
        return readResults(body, revision, sent, batch);
      },
    });
    for (const [n, index] of part.entries()) results[index] = answers[n]!;
  }
  return results;
}

/**
 * A wrapped key of an answer.
 *
 * @throws VaultError ERR_SERVICE_BAD_RESPONSE unless it is one, and its id is that of the answer
 */
export function wrappedFromWire(result: Wire): WrappedDataKey {
  const keyBlob = answeredBlob(textOf(result.encrypted_keys, "encrypted_keys"));
  const id = textOf(result.id, "id");
  const told = dataKeyIdOf(keyBlob);
  if (told !== undefined && told !== id) throw badResponse("its id is not that of the wrapped data key");
  return { id, keyBlob, context: contextOf(result.context), sender: senderOf(result) };
}

/** The sender of a sealed data key, where an answer tells one. @throws VaultError ERR_SERVICE_BAD_RESPONSE */
export function senderOf({ sender }: Wire): string | undefined {
  return sender === undefined ? undefined : textOf(sender, "sender");
}

/**
 * Whether two blobs wrap the same data key under the same KEKs of whatever versions, as far as they tell.
 *
 * @throws VaultError ERR_SERVICE_BAD_RESPONSE if they do not
 */
export function checkSameDataKey(before: Uint8Array, after: Uint8Array): void {
  if (equalBytes(before, after)) return;
  const [old, made] = [inspectKeyBlob(before), inspectKeyBlob(after)];
  // A sealed one names no KEKs, and its id is of the seal, not of the key.
  if (old.format === "sealed") return;
  const kekIds = (info: typeof old): string => info.keks.map(({ id }) => id).join();
  if (old.dataKeyId !== made.dataKeyId || kekIds(old) !== kekIds(made)) {
    throw badResponse("it is for another data key than the one that was sent");
  }
}

/** The id that a blob tells of its data key; undefined where it cannot be read. */
export function dataKeyIdOf(keyBlob: Uint8Array): string | undefined {
  return inspectKeyBlob(keyBlob).dataKeyId;
}

/** The bytes of a wrapped key that the service answered. */
export function answeredBlob(encryptedKeys: string): WrappedDataKey["keyBlob"] {
  try {
    return sentBlob(encryptedKeys);
  } catch {
    throw badResponse("encrypted_keys is not a wrapped data key");
  }
}

function readResults<T, R>(
  body: unknown,
  revision: Revision | undefined,
  sent: readonly BatchItem<T>[],
  batch: KeyBatch<T, R>,
): ItemResult<R>[] {
  const { results } = objectOf(body, "results");
  if (!Array.isArray(results) || results.length !== sent.length)
    throw badResponse("it has not one result for each item");
  return sent.map(({ item, encryptedKeys, keyBlob }, index) =>
    resultOf(() => {
      if (!keyBlob.ok) throw keyBlob.error;
      const result = objectOf(results[index], "result");
      if (result.error !== undefined) throw itemError(result, encryptedKeys);
      return batch.read(result, item, keyBlob.value, revision);
    }),
  );
}

function itemError(result: Wire, encryptedKeys: string): VaultError {
  const { code } = result;
  const words = serviceWords(result, [encryptedKeys]);
  const isKnown = typeof code === "string" && KNOWN_CODES.has(code);
  return new VaultError(
    isKnown ? (code as VaultErrorCode) : "ERR_SERVICE_REJECTED",
    words === undefined ? "the service refused the request" : `the service refused the request: ${words}`,
    { serviceMessage: words },
  );
}

/** Parts of at most 100 items and so many characters, in order. */
function parts(indexes: readonly number[], charactersOf: (index: number) => number): number[][] {
  const all: number[][] = [];
  let part: number[] = [];
  let characters = 0;
  for (const index of indexes) {
    const more = charactersOf(index);
    if (
      part.length > 0 &&
      (part.length === KEY_BATCH_ITEMS_MAX || characters + more > BATCH_CHARACTERS_MAX)
    ) {
      all.push(part);
      part = [];
      characters = 0;
    }
    part.push(index);
    characters += more;
  }
  if (part.length > 0) all.push(part);
  return all;
}
