/**
 * Rekey and rewrap of ciphertexts: a new wrapped key is spliced in, the data stays as it is.
 *
 * Owns the two moves for one ciphertext and for many. Neither decrypts, so neither takes the data away from
 * someone who has the data key already: only re-encryption does. Must not know how a service wraps.
 *
 * @module
 */

import { encodeBase64 } from "../base/base64.ts";
import type { Bytes } from "../base/bytes.ts";
import { EventLoopBreaks, forEachAtOnce, untilAborted } from "../base/concurrency.ts";
import type { ItemResult } from "../base/item-result.ts";
import { type OptionNames, optionNames } from "../base/options.ts";
import { PARSE_OPTIONS, type ParseOptions, parseEnvelope } from "../crypto/envelope/envelope.ts";
import { spliceEnvelope } from "../crypto/envelope/inspect.ts";
import type { DataKey } from "../crypto/keys/data-key.ts";
import { checkedContext, type KeyContext } from "../crypto/keys/key-context.ts";
import { invalidRange, invalidType, isVaultError, VaultError } from "../errors.ts";
import { CALL_OPTIONS, type CallOptions, type KeyService } from "../keys/key-service.ts";

/** Items of a batch that are under way at once unless told otherwise. Ours. */
export const REKEY_CONCURRENCY_DEFAULT = 8;

/** Items of a batch that may be under way at once. Ours. */
export const REKEY_CONCURRENCY_MAX = 1_000;

/** What `rekey` and `rewrap` take. */
export interface RekeyOptions extends CallOptions, ParseOptions {}

/** Names of {@link RekeyOptions}. */
export const REKEY_OPTIONS: OptionNames = new Set([...CALL_OPTIONS, ...PARSE_OPTIONS]);

/** What became of one ciphertext of a batch. */
export type { ItemResult };

/** What `rekeyMany` and `rewrapMany` take. */
export interface BatchOptions extends RekeyOptions {
  /** Requests under way at once: 1 to 1,000, default 8. */
  readonly concurrency?: number | undefined;
  /** Told after each item: items done and in all. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/** Names of {@link BatchOptions}. */
export const BATCH_OPTIONS = optionNames<Omit<BatchOptions, keyof RekeyOptions>>(
  { concurrency: true, onProgress: true },
  REKEY_OPTIONS,
);

/**
 * Moves a ciphertext to another key context: same data key, same nonce, ciphertext and tag, another wrapped key.
 *
 * @param ciphertext - of any layout, which it keeps
 * @returns the new ciphertext; the old one can still be decrypted
 * @throws VaultError the parse errors of a ciphertext (before any request), and what `createRekey` throws
 */
export async function rekey(
  service: KeyService,
  ciphertext: string,
  context: KeyContext,
  options: RekeyOptions = {},
): Promise<string> {
  const own = checkedContext(context);
  return move(ciphertext, options, (encryptedKeys) =>
    service.createRekey({ context: own, encryptedKeys }, options),
  );
}

/**
 * Wraps a ciphertext's data key under the newest KEK versions of its context.
 *
 * @param context - the ciphertext's own context; needed only by services that cannot rewrap by themselves
 * @returns the new ciphertext; the same text where nothing was newer
 * @throws VaultError ERR_UNSUPPORTED if the service needs the context; and as {@link rekey}
 */
export async function rewrap(
  service: KeyService,
  ciphertext: string,
  options: RekeyOptions & { readonly context?: KeyContext | undefined } = {},
): Promise<string> {
  const { context } = options;
  if (service.createRewrap === undefined && context === undefined) {
    throw new VaultError(
      "ERR_UNSUPPORTED",
      "this key service cannot rewrap by itself: give the ciphertext's context",
    );
  }
  return move(ciphertext, options, async (encryptedKeys) => {
    if (service.createRewrap !== undefined) {
      try {
        return await service.createRewrap({ encryptedKeys }, options);
      } catch (error) {
        // A service behind a network may find out only when it is asked.
        if (context === undefined || !isVaultError(error, "ERR_UNSUPPORTED")) throw error;
      }
    }
    return service.createRekey({ context: context!, encryptedKeys }, options);
  });
}

/**
 * Rekeys many ciphertexts. Ciphertexts that share a wrapped key cost one request.
 *
 * @returns one result per ciphertext, in order; a failed item does not stop the others
 * @throws TypeError or RangeError ERR_INVALID_ARGUMENT; VaultError ERR_KEY_CONTEXT_INVALID; the signal's reason
 */
export async function rekeyMany(
  service: KeyService,
  ciphertexts: readonly string[],
  context: KeyContext,
  options: BatchOptions = {},
): Promise<ItemResult<string>[]> {
  const own = checkedContext(context);
  const { signal } = options;
  return moveMany(ciphertexts, options, (encryptedKeys) =>
    service.createRekey({ context: own, encryptedKeys }, { signal }),
  );
}

/** Rewraps many ciphertexts, like {@link rekeyMany}, for services that can rewrap by themselves. */
export async function rewrapMany(
  service: KeyService,
  ciphertexts: readonly string[],
  options: BatchOptions = {},
): Promise<ItemResult<string>[]> {
  if (service.createRewrap === undefined) {
    throw new VaultError("ERR_UNSUPPORTED", "this key service cannot rewrap by itself: use rekeyMany");
  }
  const { signal } = options;
  return moveMany(ciphertexts, options, (encryptedKeys) =>
    service.createRewrap!({ encryptedKeys }, { signal }),
  );
}

type Wrap = (encryptedKeys: string) => Promise<DataKey>;

async function move(ciphertext: string, options: RekeyOptions, wrap: Wrap): Promise<string> {
  options.signal?.throwIfAborted();
  // Taken apart once: options may change while the service is asked.
  const envelope = parseEnvelope(ciphertext, options);
  const encryptedKeys = encodeBase64(envelope.keyBlob);
  // The key goes also where it comes after the wait for it was given up.
  const keyBlob = untilAborted(wrappedForm(wrap(encryptedKeys)), options.signal);
  return spliceEnvelope(envelope, await keyBlob);
}

async function moveMany(
  given: readonly string[],
  givenOptions: BatchOptions,
  wrap: Wrap,
): Promise<ItemResult<string>[]> {
  // As they are now: items wait for each other.
  const layouts = Array.isArray(givenOptions.layouts) ? [...givenOptions.layouts] : givenOptions.layouts;
  const options: BatchOptions = { ...givenOptions, layouts };
  const concurrency = options.concurrency ?? REKEY_CONCURRENCY_DEFAULT;
  if (!Number.isInteger(concurrency) || concurrency < 1 || concurrency > REKEY_CONCURRENCY_MAX) {
    throw invalidRange(`concurrency must be a whole number from 1 to ${REKEY_CONCURRENCY_MAX}`);
  }
  if (!Array.isArray(given)) throw invalidType("ciphertexts must be an array");
  const ciphertexts: readonly string[] = Array.from(given);
  const results = new Array<ItemResult<string>>(ciphertexts.length);
  const wrapped = new Map<string, Promise<Bytes>>();
  const breaks = new EventLoopBreaks();
  let done = 0;
  await forEachAtOnce(ciphertexts, concurrency, async (ciphertext, index) => {
    await breaks.takeIfDue();
    options.signal?.throwIfAborted();
    try {
      const envelope = parseEnvelope(ciphertext, options);
      const encryptedKeys = encodeBase64(envelope.keyBlob);
      let form = wrapped.get(encryptedKeys);
      if (form === undefined) {
        form = wrappedForm(wrap(encryptedKeys));
        form.catch(() => {}); // Each item that shares it reports it.
        wrapped.set(encryptedKeys, form);
      }
      const value = spliceEnvelope(envelope, await untilAborted(form, options.signal));
      results[index] = { ok: true, value };
    } catch (error) {
      options.signal?.throwIfAborted();
      results[index] = { ok: false, error: error as Error };
    }
    done += 1;
    options.onProgress?.(done, ciphertexts.length);
  });
  return results;
}

/** Only the wrapped form is wanted: the key itself goes at once. */
async function wrappedForm(answer: Promise<DataKey>): Promise<Bytes> {
  const key = await answer;
  key.dispose();
  return key.keyBlob;
}
