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
import { EventLoopBreaks, forEachAtOnce, inParts, untilAborted } from "../base/concurrency.ts";
import { type ItemResult, resultOf, resultOfLater } from "../base/item-result.ts";
import { Slab } from "../base/memory.ts";
import { type OptionNames, optionNames } from "../base/options.ts";
import { checkWhole } from "../base/whole-numbers.ts";
import {
  PARSE_OPTIONS,
  type ParsedEnvelope,
  type ParseOptions,
  parseEnvelope,
} from "../crypto/envelope/envelope.ts";
import { spliceEnvelope } from "../crypto/envelope/inspect.ts";
import type { DataKey } from "../crypto/keys/data-key.ts";
import { checkedContext, type KeyContext } from "../crypto/keys/key-context.ts";
import { invalidType, isVaultError, VaultError } from "../errors.ts";
import { batchSize, rekeyKeys, rewrapKeys } from "../keys/batch-calls.ts";
import { runCall } from "../keys/calls.ts";
import { CALL_OPTIONS, type CallOptions, type KeyService, type WrappedDataKey } from "../keys/key-service.ts";

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
  /** Requests under way at once, each of up to 100 wrapped keys where the service has batches: 1 to 1,000, default 8. */
  readonly concurrency?: number | undefined;
  /** Told after each item: items done and in all. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/** Names of {@link BatchOptions}. */
export const BATCH_OPTIONS = /* @__PURE__ */ optionNames<Omit<BatchOptions, keyof RekeyOptions>>(
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
  return runCall(options, service, (call) =>
    move(ciphertext, call, (encryptedKeys) => service.createRekey({ context: own, encryptedKeys }, call)),
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
  return runCall(options, service, (call) =>
    move(ciphertext, call, async (encryptedKeys) => {
      if (service.createRewrap !== undefined) {
        try {
          return await service.createRewrap({ encryptedKeys }, call);
        } catch (error) {
          // A service behind a network may find out only when it is asked.
          if (context === undefined || !isVaultError(error, "ERR_UNSUPPORTED")) throw error;
        }
      }
      return service.createRekey({ context: context!, encryptedKeys }, call);
    }),
  );
}

/**
 * Rekeys many ciphertexts, in the service's batches where it has any. A wrapped key that ciphertexts share is asked for
 * once.
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
  return runCall(options, service, (call) => {
    const { signal, headers } = call;
    return moveMany(ciphertexts, call, {
      size: batchSize(service.rekeyMany !== undefined),
      ask: (keys) =>
        rekeyKeys(
          service,
          keys.map((encryptedKeys) => ({ context: own, encryptedKeys })),
          { signal, headers },
        ),
    });
  });
}

/** Rewraps many ciphertexts, like {@link rekeyMany}, for services that can rewrap by themselves. */
export async function rewrapMany(
  service: KeyService,
  ciphertexts: readonly string[],
  options: BatchOptions = {},
): Promise<ItemResult<string>[]> {
  if (service.createRewrap === undefined && service.rewrapMany === undefined) {
    throw new VaultError("ERR_UNSUPPORTED", "this key service cannot rewrap by itself: use rekeyMany");
  }
  return runCall(options, service, (call) => {
    const { signal, headers } = call;
    return moveMany(ciphertexts, call, {
      size: batchSize(service.rewrapMany !== undefined),
      ask: (keys) => rewrapKeys(service, keys, { signal, headers }),
    });
  });
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

/** How the data keys of many ciphertexts are wrapped anew. */
interface WrapMany {
  /** Wrapped keys that go into one request. */
  readonly size: number;
  readonly ask: (encryptedKeys: readonly string[]) => Promise<ItemResult<WrappedDataKey>[]>;
}

/** A wrapped key, and the ciphertexts that share it. */
interface SharedKey {
  readonly encryptedKeys: string;
  readonly items: { readonly index: number; readonly envelope: ParsedEnvelope }[];
}

async function moveMany(
  given: readonly string[],
  options: BatchOptions,
  wrap: WrapMany,
): Promise<ItemResult<string>[]> {
  const { signal, onProgress } = options;
  const concurrency = options.concurrency ?? REKEY_CONCURRENCY_DEFAULT;
  checkWhole(concurrency, 1, REKEY_CONCURRENCY_MAX, "concurrency");
  if (!Array.isArray(given)) throw invalidType("ciphertexts must be an array");
  signal?.throwIfAborted();
  // As they are now: keys wait for each other.
  const layouts = Array.isArray(options.layouts) ? [...options.layouts] : options.layouts;
  const own = { ...options, layouts };
  const ciphertexts: readonly string[] = Array.from(given);
  const results = new Array<ItemResult<string>>(ciphertexts.length);
  const breaks = new EventLoopBreaks();
  const slab = new Slab();
  let done = 0;
  const finish = (index: number, result: ItemResult<string>): void => {
    results[index] = result;
    done += 1;
    onProgress?.(done, ciphertexts.length);
  };
  const shared = new Map<string, SharedKey>();
  for (const [index, ciphertext] of ciphertexts.entries()) {
    await breaks.takeIfDue();
    signal?.throwIfAborted();
    const parsed = resultOf(() => parseEnvelope(ciphertext, own, slab));
    if (!parsed.ok) {
      finish(index, parsed);
      continue;
    }
    const encryptedKeys = encodeBase64(parsed.value.keyBlob);
    const key = shared.get(encryptedKeys) ?? { encryptedKeys, items: [] };
    shared.set(encryptedKeys, key);
    key.items.push({ index, envelope: parsed.value });
  }
  await forEachAtOnce(inParts([...shared.values()], wrap.size), concurrency, async (part) => {
    signal?.throwIfAborted();
    const asked = wrap.ask(part.map(({ encryptedKeys }) => encryptedKeys));
    const answer = await resultOfLater(untilAborted(asked, signal));
    signal?.throwIfAborted();
    for (const [n, { items }] of part.entries()) {
      const wrapped = answer.ok ? answer.value[n]! : answer;
      for (const { index, envelope } of items) {
        await breaks.takeIfDue();
        signal?.throwIfAborted();
        finish(
          index,
          wrapped.ok ? resultOf(() => spliceEnvelope(envelope, wrapped.value.keyBlob, slab)) : wrapped,
        );
      }
    }
  });
  return results;
}

/** Only the wrapped form is wanted: the key itself goes at once. */
async function wrappedForm(answer: Promise<DataKey>): Promise<Bytes> {
  const key = await answer;
  key.dispose();
  return key.keyBlob;
}
