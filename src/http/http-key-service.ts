/**
 * The KeyService port over HTTP: WorkOS's API or a coffer server's.
 *
 * Owns the operations on data keys and the checks of their answers; batches are in key-batches.ts. Must not know how requests
 * are sent.
 *
 * @module
 */
import { decodeBase64, encodeBase64 } from "../base/base64.ts";
import { equalBytes } from "../base/bytes.ts";
import { type ItemResult, resultValue } from "../base/item-result.ts";
import { DataKey } from "../crypto/keys/data-key.ts";
import { canonicalContext, contextObject, type KeyContext } from "../crypto/keys/key-context.ts";
import { KEY_BYTES } from "../crypto/limits.ts";
import { VaultError } from "../errors.ts";
import { eachItem, makeKeys, wrappedOf } from "../keys/batch-calls.ts";
import { runCall } from "../keys/calls.ts";
import type {
  CallOptions,
  CreateDataKeyRequest,
  CreateDataKeysRequest,
  DecryptRequest,
  KeyService,
  RekeyManyRequest,
  RekeyRequest,
  RewrapRequest,
  UnwrapManyRequest,
  WrappedDataKey,
} from "../keys/key-service.ts";
import { BATCH_GROUPS_AT_ONCE, REVISION_LIMITS_HTTP } from "../keys/limits.ts";
import type { Revision, RevisionId, RevisionSource } from "../keys/revisions.ts";
import { badResponse, contextOf, dataKeyFromWire, objectOf, textOf } from "../wire/bodies.ts";
import {
  answeredBlob,
  type BatchItem,
  checkItems,
  checkSameDataKey,
  dataKeyIdOf,
  senderOf,
  sendKeyBatch,
  sentBlob,
  wrappedFromWire,
} from "./key-batches.ts";
import type { Transport } from "./transport.ts";

/** What WorkOS's status means where a wrapped key was sent; only with its own words for it. */
const BLOB_CODES = { 400: "ERR_DECRYPT_FAILED" } as const;
const CONTEXT_CODES = { 422: "ERR_KEY_CONTEXT_INVALID" } as const;

/** Data keys by requests to a service. */
export class HttpKeyService implements KeyService {
  readonly id: string;
  readonly takesHeaders = true;
  readonly #transport: Transport;
  /** The revision of the answer that each data key came with. */
  readonly #revisions = new WeakMap<DataKey, RevisionId>();
  readonly revisions: RevisionSource;
  /** Absent where it is known from the start that the service is no coffer server: others cannot rewrap by themselves. */
  readonly createRewrap?: NonNullable<KeyService["createRewrap"]>;
  readonly rewrapMany?: NonNullable<KeyService["rewrapMany"]>;

  constructor(transport: Transport) {
    this.#transport = transport;
    this.id = `http:${transport.id}`;
    const { heard } = transport;
    this.revisions = {
      limits: REVISION_LIMITS_HTTP,
      get lockouts() {
        return heard.lockouts;
      },
      // Where coffer's operations are out of reach, nothing can be asked: it is then as with a service that sends none.
      newest: () => (transport.toldExtensions === false ? undefined : heard.newest),
      of: (key) => (transport.toldExtensions === false ? undefined : this.#revisions.get(key)),
      // Every answer has it; this one has little else.
      refresh: async ({ signal }) => {
        await transport.send({ method: "GET", path: ["coffer", "v1", "status"], call: { signal } });
      },
      check: (keys, options) => this.#check(keys, options),
    };
    if (transport.toldExtensions !== false) {
      this.createRewrap = (request, options) => this.#rewrap(request, options);
      this.rewrapMany = ({ encryptedKeys }, options) =>
        this.#rewraps(
          checkItems(encryptedKeys, (keys) => keys),
          options,
        );
    }
  }

  async createDataKey(request: CreateDataKeyRequest, options: CallOptions = {}): Promise<DataKey> {
    const context = canonicalContext(request.context);
    return this.#transport.run(options, () => ({
      method: "POST",
      path: ["vault", "v1", "keys", "data-key"],
      isRepeatable: true,
      body: { context: contextObject(context) },
      codes: CONTEXT_CODES,
      read: (body, revision) => this.#told(readDataKey(body, context.bytes), revision),
    }));
  }

  async createDecrypt(request: DecryptRequest, options: CallOptions = {}): Promise<DataKey> {
    const { keys } = request;
    const keyBlob = sentBlob(keys);
    return this.#transport.run(options, async (call) => ({
      method: "POST",
      path: [(await this.#transport.hasExtensions(call)) ? "coffer" : "vault", "v1", "keys", "decrypt"],
      isRepeatable: true,
      body: { keys },
      codes: BLOB_CODES,
      read: (body, revision) => {
        const wire = objectOf(body, "data key");
        const key = makeDataKey({
          id: textOf(wire.id, "id"),
          dataKey: textOf(wire.data_key, "data_key"),
          encryptedKeys: keys,
          keyBlob,
          context: wire.context === undefined ? undefined : contextOf(wire.context),
          sender: senderOf(wire),
        });
        return this.#told(key, revision);
      },
    }));
  }

  async createRekey(request: RekeyRequest, options: CallOptions = {}): Promise<DataKey> {
    const context = canonicalContext(request.context);
    const { encryptedKeys } = request;
    sentBlob(encryptedKeys);
    return this.#transport.run(options, () => ({
      method: "POST",
      path: ["vault", "v1", "keys", "rekey"],
      isRepeatable: true,
      body: { context: contextObject(context), encrypted_keys: encryptedKeys },
      codes: { ...BLOB_CODES, ...CONTEXT_CODES },
      read: (body, revision) => this.#told(readDataKey(body, context.bytes), revision),
    }));
  }

  /** A batch where the service has batches; else one after another, so that there is one way to ask. */
  async unwrapMany(request: UnwrapManyRequest, options: CallOptions = {}): Promise<ItemResult<DataKey>[]> {
    const items = checkItems(request.keys, (keys) => keys);
    return runCall(options, this, async (call) => {
      if (!(await this.#transport.hasExtensions(call)))
        return eachItem(request.keys, BATCH_GROUPS_AT_ONCE, (keys) => this.createDecrypt({ keys }, call));
      return sendKeyBatch(this.#transport, {
        operation: "decrypts",
        items,
        body: (keys) => ({ keys }),
        read: (wire, keys, keyBlob, revision) => {
          const id = textOf(wire.id, "id");
          const told = dataKeyIdOf(keyBlob);
          if (told !== undefined && told !== id) throw badResponse("it is for another data key");
          const dataKey = textOf(wire.data_key, "data_key");
          const context = contextOf(wire.context);
          const sender = senderOf(wire);
          const key = makeDataKey({ id, dataKey, encryptedKeys: keys, keyBlob, context, sender });
          return this.#told(key, revision);
        },
        codes: BLOB_CODES,
        call,
      });
    });
  }

  async rekeyMany(
    request: RekeyManyRequest,
    options: CallOptions = {},
  ): Promise<ItemResult<WrappedDataKey>[]> {
    const checked = checkItems(request.items, (item) => item.encryptedKeys);
    return runCall(options, this, async (call) => {
      if (!(await this.#transport.hasExtensions(call))) {
        return eachItem(request.items, BATCH_GROUPS_AT_ONCE, async (item) =>
          wrappedOf(await this.createRekey(item, call)),
        );
      }
      return sendKeyBatch(this.#transport, {
        operation: "rekeys",
        items: checked,
        body: (items) => ({
          items: items.map((item) => ({ context: item.context, encrypted_keys: item.encryptedKeys })),
        }),
        read: (wire, item) => {
          const wrapped = wrappedFromWire(wire);
          checkContext(wrapped.context, canonicalContext(item.context).bytes);
          return wrapped;
        },
        codes: { ...BLOB_CODES, ...CONTEXT_CODES },
        call,
      });
    });
  }

  /** @throws VaultError ERR_UNSUPPORTED if the service is no coffer server */
  async checkMany(request: UnwrapManyRequest, options: CallOptions = {}): Promise<ItemResult<true>[]> {
    return runCall(options, this, async (call) => {
      await this.#transport.needExtensions("tell which keys are good", call);
      return (await this.#check(request.keys, call)).results;
    });
  }

  /** Only where an answer has carried a revision: that is a coffer server. */
  async #check(
    keys: readonly string[],
    call: CallOptions,
  ): Promise<{ revision: Revision | undefined; results: ItemResult<true>[] }> {
    let first: { readonly revision: Revision | undefined } | undefined;
    const results = await sendKeyBatch(this.#transport, {
      operation: "check",
      items: checkItems(keys, (item) => item),
      body: (items) => ({ keys: items }),
      read: (wire) => {
        if (wire.ok !== true) throw badResponse("it does not say whether the key is good");
        return true as const;
      },
      codes: BLOB_CODES,
      call,
      onRevision: (revision) => {
        first ??= { revision };
      },
    });
    return { revision: first?.revision, results };
  }

  /** Notes with which revision a key was answered. */
  #told(key: DataKey, revision: Revision | undefined): DataKey {
    if (revision !== undefined) this.#revisions.set(key, revision.id);
    return key;
  }

  async #rewraps(
    items: readonly BatchItem<string>[],
    options: CallOptions = {},
  ): Promise<ItemResult<WrappedDataKey>[]> {
    return runCall(options, this, async (call) => {
      if (!(await this.#transport.hasExtensions(call))) {
        throw new VaultError("ERR_UNSUPPORTED", "this service cannot rewrap");
      }
      return sendKeyBatch(this.#transport, {
        operation: "rewraps",
        items,
        body: (keys) => ({ encrypted_keys: keys }),
        read: (wire, _, keyBlob) => {
          const wrapped = wrappedFromWire(wire);
          checkSameDataKey(keyBlob, wrapped.keyBlob);
          return wrapped;
        },
        codes: BLOB_CODES,
        call,
      });
    });
  }

  async #rewrap(request: RewrapRequest, options: CallOptions = {}): Promise<DataKey> {
    const items = checkItems([request.encryptedKeys], (keys) => keys);
    resultValue(items[0]!.keyBlob);
    const [result] = await this.#rewraps(items, options);
    // The answer tells no key: the caller of a rewrap has it, or needs only the wrapped form.
    return wrappedOnly(resultValue(result!));
  }

  async createDataKeys(request: CreateDataKeysRequest, options: CallOptions = {}): Promise<DataKey[]> {
    return runCall(options, this, async (call) => {
      if (!(await this.#transport.hasExtensions(call))) {
        const oneByOne = { createDataKey: this.createDataKey.bind(this) };
        return makeKeys(oneByOne, request.context, request.count, call);
      }
      const context = canonicalContext(request.context);
      return this.#transport.send({
        call,
        method: "POST",
        path: ["coffer", "v1", "keys", "data-keys"],
        isRepeatable: true,
        body: { context: contextObject(context), count: request.count },
        codes: CONTEXT_CODES,
        read: (body, revision) => {
          const { data } = objectOf(body, "data keys");
          if (!Array.isArray(data) || data.length !== request.count)
            throw badResponse("it has not as many data keys as were asked for");
          return data.map((one) => this.#told(readDataKey(one, context.bytes), revision));
        },
      });
    });
  }
}

function readDataKey(body: unknown, context: Uint8Array): DataKey {
  const wire = dataKeyFromWire(body);
  checkContext(wire.context, context);
  return makeDataKey({ ...wire, keyBlob: answeredBlob(wire.encryptedKeys) });
}

/** A service that answers another context's key would make this process encrypt for that context. */
function checkContext(told: KeyContext | undefined, context: Uint8Array): void {
  if (told === undefined || !equalBytes(canonicalContext(told).bytes, context)) {
    throw badResponse("it is for another context");
  }
}

function makeDataKey(wire: {
  id: string;
  dataKey: string;
  encryptedKeys: string;
  keyBlob: Uint8Array;
  context: KeyContext | undefined;
  sender?: string | undefined;
}): DataKey {
  const key = decodeBase64(wire.dataKey);
  if (key === undefined || key.length !== KEY_BYTES)
    throw badResponse(`data_key is not ${KEY_BYTES} bytes in base64`);
  try {
    return new DataKey({ ...wire, key });
  } finally {
    key.fill(0);
  }
}

function wrappedOnly(made: WrappedDataKey): DataKey {
  const encryptedKeys = encodeBase64(made.keyBlob);
  const wrapped = new DataKey({ ...made, key: new Uint8Array(KEY_BYTES), encryptedKeys });
  wrapped.dispose();
  return wrapped;
}
