/**
 * A key service in memory that counts what it is asked, and can be made to wait, fail and revoke.
 *
 * Owns its keys and its log. Fulfils the KeyService port (test/contract/key-service.ts runs on it too), with one KEK
 * whose bytes do not matter: its key blobs only have the right shape.
 *
 * @module
 */
import { randomBytes } from "node:crypto";
import { untilAborted } from "../../src/base/concurrency.ts";
import { DataKey, keyBlobFromText } from "../../src/crypto/keys/data-key.ts";
import { decodeKeyBlob, encodeKeyBlob } from "../../src/crypto/keys/key-blob.ts";
import { canonicalContext, contextObject, type KeyContext } from "../../src/crypto/keys/key-context.ts";
import { VaultError } from "../../src/errors.ts";
import { runCall } from "../../src/keys/calls.ts";
import type { CallOptions, KeyService } from "../../src/keys/key-service.ts";
import { base64 } from "./bytes.ts";

export interface MemoryServiceOptions {
  readonly id?: string;
  /** Answer contexts with decrypted keys; default true. WorkOS's API does not. */
  readonly tellsContext?: boolean;
}

interface Held {
  readonly id: string;
  readonly key: Uint8Array;
  readonly context: KeyContext;
}

export class MemoryKeyService implements KeyService {
  readonly id: string;
  readonly takesHeaders = false;
  /** What was asked for, in order: `createDataKey`, `createDecrypt`, `createRekey`, `createRewrap`. */
  readonly requests: string[] = [];
  /** The signals that came with the requests. */
  readonly signals: (AbortSignal | undefined)[] = [];
  /** Every data key that was handed out. */
  readonly handedOut: DataKey[] = [];
  /** Requests under way now, and most at once so far. */
  underWay = 0;
  mostUnderWay = 0;
  /** Every request fails with this while it is set. */
  failure: Error | undefined;
  readonly #keys = new Map<string, Held>();
  readonly #tellsContext: boolean;
  #gate: Promise<void> = Promise.resolve();
  #revocations = 0;

  constructor(options: MemoryServiceOptions = {}) {
    this.id = options.id ?? `memory:${base64(randomBytes(9))}`;
    this.#tellsContext = options.tellsContext ?? true;
  }

  /** Requests of one kind so far. */
  count(kind: string): number {
    return this.requests.filter((request) => request === kind).length;
  }

  /** Makes requests wait, also those to come, until the function that it answers is called. */
  hold(): () => void {
    const gate = Promise.withResolvers<void>();
    this.#gate = gate.promise;
    return gate.resolve;
  }

  /** As if a KEK had been disabled. */
  revoke(): void {
    this.#revocations += 1;
  }

  revocations(): number {
    return this.#revocations;
  }

  createDataKey(request: { readonly context: KeyContext }, options: CallOptions = {}): Promise<DataKey> {
    return this.#answer("createDataKey", options, () => this.#wrap(randomBytes(32), request.context, true));
  }

  createDecrypt(request: { readonly keys: string }, options: CallOptions = {}): Promise<DataKey> {
    return this.#answer("createDecrypt", options, () => {
      const held = this.#find(request.keys);
      const context = this.#tellsContext ? held.context : undefined;
      return new DataKey({
        id: held.id,
        key: Uint8Array.from(held.key),
        encryptedKeys: request.keys,
        context,
      });
    });
  }

  createRekey(
    request: { readonly context: KeyContext; readonly encryptedKeys: string },
    options: CallOptions = {},
  ): Promise<DataKey> {
    return this.#answer("createRekey", options, () =>
      this.#wrap(this.#find(request.encryptedKeys).key, request.context, true),
    );
  }

  /** Always finds newer KEKs. */
  createRewrap(request: { readonly encryptedKeys: string }, options: CallOptions = {}): Promise<DataKey> {
    return this.#answer("createRewrap", options, () => {
      const held = this.#find(request.encryptedKeys);
      return this.#wrap(held.key, held.context, this.#tellsContext);
    });
  }

  #answer(kind: string, options: CallOptions, work: () => DataKey): Promise<DataKey> {
    return runCall(options, this, (call) => this.#answerInTime(kind, call, work));
  }

  async #answerInTime(kind: string, options: CallOptions, work: () => DataKey): Promise<DataKey> {
    this.requests.push(kind);
    this.signals.push(options.signal);
    options.signal?.throwIfAborted();
    this.underWay += 1;
    this.mostUnderWay = Math.max(this.mostUnderWay, this.underWay);
    try {
      await untilAborted(this.#gate, options.signal);
      if (this.failure !== undefined) throw this.failure;
      const key = work();
      this.handedOut.push(key);
      return key;
    } finally {
      this.underWay -= 1;
    }
  }

  #find(text: string): Held {
    const blob = keyBlobFromText(text);
    decodeKeyBlob(blob); // Refuses what has the wrong shape.
    const held = this.#keys.get(base64(blob));
    if (held === undefined) throw new VaultError("ERR_KEY_NOT_FOUND", "this service has not made this key");
    return held;
  }

  #wrap(key: Uint8Array, keyContext: KeyContext, tellsContext: boolean): DataKey {
    const context = contextObject(canonicalContext(keyContext));
    const dataKeyId = Uint8Array.from(randomBytes(16));
    const blob = encodeKeyBlob({
      dataKeyId,
      keks: [{ id: Uint8Array.from(randomBytes(16)), version: 1 }],
      nonce: Uint8Array.from(randomBytes(24)),
      wrapped: Uint8Array.from(randomBytes(80)),
    });
    const encryptedKeys = base64(blob);
    const id = `data-key-${this.#keys.size + 1}`;
    this.#keys.set(encryptedKeys, { id, key: Uint8Array.from(key), context });
    return new DataKey({
      id,
      key: Uint8Array.from(key),
      encryptedKeys,
      context: tellsContext ? context : undefined,
    });
  }
}

/** A KvService stands behind every Vault; tests of keys alone give this one. */
export function noStore(): never {
  return new Proxy(
    {},
    {
      get: () => {
        throw new Error("this test has no store");
      },
    },
  ) as never;
}
