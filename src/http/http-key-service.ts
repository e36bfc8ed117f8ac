/**
 * The KeyService port over HTTP: WorkOS's API or a coffer server's.
 *
 * Owns the operations on data keys and the checks of their answers. Must not know how requests are sent.
 *
 * @module
 */
import { decodeBase64 } from "../base/base64.ts";
import { type Bytes, equalBytes } from "../base/bytes.ts";
import { DataKey, keyBlobFromText } from "../crypto/keys/data-key.ts";
import { canonicalContext, contextObject, type KeyContext } from "../crypto/keys/key-context.ts";
import { KEY_BYTES } from "../crypto/limits.ts";
import { VaultError, type VaultErrorCode } from "../errors.ts";
import type { CallOptions, KeyService } from "../keys/key-service.ts";
import { badResponse, contextOf, dataKeyFromWire, objectOf, textOf, type Wire } from "../wire/bodies.ts";
import { KNOWN_CODES } from "./refusals.ts";
import { serviceWords } from "./service-words.ts";
import type { Transport } from "./transport.ts";

/** What WorkOS's status means where a wrapped key was sent; only with its own words for it. */
const BLOB_CODES = { 400: "ERR_DECRYPT_FAILED" } as const;
const CONTEXT_CODES = { 422: "ERR_KEY_CONTEXT_INVALID" } as const;

/** Data keys by requests to a service. */
export class HttpKeyService implements KeyService {
  readonly id: string;
  readonly #transport: Transport;
  /** Absent where it is known from the start that the service is no coffer server: others cannot rewrap by themselves. */
  readonly createRewrap?: NonNullable<KeyService["createRewrap"]>;

  constructor(transport: Transport) {
    this.#transport = transport;
    this.id = `http:${transport.id}`;
    if (transport.toldExtensions !== false)
      this.createRewrap = (request, options) => this.#rewrap(request, options);
  }

  async createDataKey(
    request: { readonly context: KeyContext },
    options: CallOptions = {},
  ): Promise<DataKey> {
    const context = canonicalContext(request.context);
    return this.#transport.send({
      method: "POST",
      path: ["vault", "v1", "keys", "data-key"],
      isRepeatable: true,
      body: { context: contextObject(context) },
      codes: CONTEXT_CODES,
      signal: options.signal,
      read: (body) => readDataKey(body, context.bytes),
    });
  }

  async createDecrypt(request: { readonly keys: string }, options: CallOptions = {}): Promise<DataKey> {
    const { keys } = request;
    const { signal } = options;
    const keyBlob = keyBlobFromText(keys);
    const hasExtensions = await this.#transport.hasExtensions(signal);
    return this.#transport.send({
      method: "POST",
      path: [hasExtensions ? "coffer" : "vault", "v1", "keys", "decrypt"],
      isRepeatable: true,
      body: { keys },
      codes: BLOB_CODES,
      signal,
      read: (body) => {
        const wire = objectOf(body, "data key");
        return makeDataKey({
          id: textOf(wire.id, "id"),
          dataKey: textOf(wire.data_key, "data_key"),
          encryptedKeys: keys,
          keyBlob,
          context: wire.context === undefined ? undefined : contextOf(wire.context),
        });
      },
    });
  }

  async createRekey(
    request: { readonly context: KeyContext; readonly encryptedKeys: string },
    options: CallOptions = {},
  ): Promise<DataKey> {
    const context = canonicalContext(request.context);
    keyBlobFromText(request.encryptedKeys);
    return this.#transport.send({
      method: "POST",
      path: ["vault", "v1", "keys", "rekey"],
      isRepeatable: true,
      body: { context: contextObject(context), encrypted_keys: request.encryptedKeys },
      codes: { ...BLOB_CODES, ...CONTEXT_CODES },
      signal: options.signal,
      read: (body) => readDataKey(body, context.bytes),
    });
  }

  async #rewrap(request: { readonly encryptedKeys: string }, options: CallOptions = {}): Promise<DataKey> {
    const { encryptedKeys } = request;
    const { signal } = options;
    keyBlobFromText(encryptedKeys);
    if (!(await this.#transport.hasExtensions(signal))) {
      throw new VaultError("ERR_UNSUPPORTED", "this service cannot rewrap");
    }
    return this.#transport.send({
      method: "POST",
      path: ["coffer", "v1", "keys", "rewraps"],
      isRepeatable: true,
      body: { encrypted_keys: [encryptedKeys] },
      codes: BLOB_CODES,
      signal,
      read: (body) => {
        const { results } = objectOf(body, "results");
        if (!Array.isArray(results) || results.length !== 1) throw badResponse("it has not one result");
        const result = objectOf(results[0], "result");
        if (result.error !== undefined) throw itemError(result, encryptedKeys);
        // The answer tells no key: the caller of a rewrap has it, or needs only the wrapped form.
        return wrappedOnly(
          textOf(result.id, "id"),
          textOf(result.encrypted_keys, "encrypted_keys"),
          contextOf(result.context),
        );
      },
    });
  }
}

function readDataKey(body: unknown, context: Uint8Array): DataKey {
  const wire = dataKeyFromWire(body);
  // A service that answers another context's key would make this process encrypt for that context.
  if (wire.context === undefined || !equalBytes(canonicalContext(wire.context).bytes, context)) {
    throw badResponse("it is for another context");
  }
  return makeDataKey({ ...wire, keyBlob: answeredBlob(wire.encryptedKeys) });
}

function makeDataKey(wire: {
  id: string;
  dataKey: string;
  encryptedKeys: string;
  keyBlob: Uint8Array;
  context: KeyContext | undefined;
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

function wrappedOnly(id: string, encryptedKeys: string, context: KeyContext): DataKey {
  const keyBlob = answeredBlob(encryptedKeys);
  const wrapped = new DataKey({ id, key: new Uint8Array(KEY_BYTES), encryptedKeys, keyBlob, context });
  wrapped.dispose();
  return wrapped;
}

/** The bytes of a wrapped key that the service answered. */
function answeredBlob(encryptedKeys: string): Bytes {
  try {
    return keyBlobFromText(encryptedKeys);
  } catch {
    throw badResponse("encrypted_keys is not a wrapped data key");
  }
}

function itemError(result: Wire, encryptedKeys: string): VaultError {
  const { code } = result;
  const words = serviceWords(result, [encryptedKeys]);
  const isKnown = typeof code === "string" && KNOWN_CODES.has(code);
  return new VaultError(
    isKnown ? (code as VaultErrorCode) : "ERR_SERVICE_REJECTED",
    words === undefined ? "the service refused the request" : `the service refused the request: ${words}`,
    words === undefined ? {} : { serviceMessage: words },
  );
}
