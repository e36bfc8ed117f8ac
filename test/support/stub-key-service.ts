/**
 * A key service on 127.0.0.1 that speaks the three key operations of WorkOS's API, for SDKs to talk to.
 *
 * Owns the wire: paths, bodies, statuses and what was asked. The keys come from the service it is given: an embedded
 * vault, or {@link WorkOsLookingKeys}. Not a server to copy: it knows one API key and no KV store.
 *
 * @module
 */
import { createHash, randomBytes, randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text as readText } from "node:stream/consumers";
import { DataKey } from "../../src/crypto/keys/data-key.ts";
import type { KeyContext } from "../../src/crypto/keys/key-context.ts";
import { isVaultError, VaultError } from "../../src/errors.ts";
import type { KeyService } from "../../src/keys/key-service.ts";

/** The only API key that the stub accepts. */
export const STUB_API_KEY = "sk_test";

/** The part of a key service that the API has. */
export type StubKeys = Pick<KeyService, "createDataKey" | "createDecrypt" | "createRekey">;

export interface StubRequest {
  readonly path: string;
  readonly body: Readonly<Record<string, unknown>>;
  readonly status: number;
}

export interface StubKeyService extends AsyncDisposable {
  readonly port: number;
  /** What has been asked and how it was answered, in order. */
  readonly requests: StubRequest[];
}

interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

/** Starts the stub on a free port; dispose of it. */
export async function startStubKeyService(keys: StubKeys): Promise<StubKeyService> {
  const requests: StubRequest[] = [];
  const server = createServer((request, response) => {
    serve(request, response, keys, requests).catch((error: unknown) => response.destroy(error as Error));
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    requests,
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        // fetch keeps its connections open for a while.
        server.closeAllConnections();
      }),
  };
}

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  keys: StubKeys,
  requests: StubRequest[],
): Promise<void> {
  const path = request.url ?? "";
  const text = await readText(request);
  const body = (text === "" ? {} : JSON.parse(text)) as Record<string, unknown>;
  const isAuthorized = request.headers.authorization === `Bearer ${STUB_API_KEY}`;
  const answer = isAuthorized
    ? await answerTo(request.method ?? "", path, body, keys)
    : { status: 401, body: { message: "Unauthorized" } };
  requests.push({ path, body, status: answer.status });
  // Without this content type the SDK would take the body for none.
  response.writeHead(answer.status, { "content-type": "application/json; charset=utf-8" });
  response.end(JSON.stringify(answer.body));
}

async function answerTo(
  method: string,
  path: string,
  body: Record<string, unknown>,
  keys: StubKeys,
): Promise<Answer> {
  try {
    // The casts hand on whatever came: to check it is the key service's duty.
    const context = body.context as KeyContext;
    switch (`${method} ${path}`) {
      case "POST /vault/v1/keys/data-key":
        return answered(await keys.createDataKey({ context }));
      case "POST /vault/v1/keys/decrypt": {
        using key = await keys.createDecrypt({ keys: body.keys as string });
        return { status: 200, body: { id: key.id, data_key: key.dataKey } };
      }
      case "POST /vault/v1/keys/rekey":
        return answered(await keys.createRekey({ context, encryptedKeys: body.encrypted_keys as string }));
      default:
        return { status: 404, body: { error: "Not Found" } };
    }
  } catch (error) {
    // WorkOS answers 422 to a context it does not like and 400 to a key it cannot read.
    if (isVaultError(error, "ERR_KEY_CONTEXT_INVALID"))
      return { status: 422, body: { error: error.message } };
    if (error instanceof Error) return { status: 400, body: { error: "Invalid encrypted key." } };
    throw error;
  }
}

function answered(made: DataKey): Answer {
  using key = made;
  return {
    status: 200,
    body: { id: key.id, data_key: key.dataKey, encrypted_keys: key.encryptedKeys, context: key.context },
  };
}

/**
 * A key service whose wrapped keys have the shape of WorkOS's for a context of one entry (206 bytes), down to the
 * id, which is a UUIDv5 of the data key. It wraps nothing: it remembers which key belongs to which blob.
 */
export class WorkOsLookingKeys implements KeyService {
  readonly id = "workos-looking";
  readonly #issued = new Map<string, { key: Uint8Array; id: string; context: KeyContext }>();
  readonly #keks = new Map<string, string>();

  async createDataKey(request: { readonly context: KeyContext }): Promise<DataKey> {
    return this.#issue(randomBytes(32), request.context);
  }

  async createDecrypt(request: { readonly keys: string }): Promise<DataKey> {
    const { key, id, context } = this.#find(request.keys);
    return new DataKey({ key: Uint8Array.from(key), id, encryptedKeys: request.keys, context });
  }

  async createRekey(request: {
    readonly context: KeyContext;
    readonly encryptedKeys: string;
  }): Promise<DataKey> {
    return this.#issue(this.#find(request.encryptedKeys).key, request.context);
  }

  #issue(key: Uint8Array, context: KeyContext): DataKey {
    const named = JSON.stringify(context);
    const kekId = this.#keks.get(named) ?? randomUUID();
    this.#keks.set(named, kekId);
    const id = uuidV5(kekId, key);
    const blob = Buffer.concat([
      Buffer.from(`WOS.EKM.v1\0${id}`, "latin1"),
      field(Buffer.from("1")),
      field(Buffer.from(kekId)),
      field(Buffer.concat([Buffer.from(kekId), randomBytes(80)])),
    ]);
    const encryptedKeys = blob.toString("base64");
    this.#issued.set(encryptedKeys, { key: Uint8Array.from(key), id, context });
    return new DataKey({ key: Uint8Array.from(key), id, encryptedKeys, context });
  }

  #find(encryptedKeys: string): { key: Uint8Array; id: string; context: KeyContext } {
    const issued = this.#issued.get(encryptedKeys);
    if (issued === undefined) throw new VaultError("ERR_KEY_NOT_FOUND", "no such wrapped key was issued");
    return issued;
  }
}

/** A field of WorkOS's blobs: a reserved byte, a length below 128, the value. */
function field(value: Uint8Array): Uint8Array {
  return Buffer.concat([Uint8Array.of(0x01, value.length), value]);
}

/** RFC 9562 section 5.5, written again here so that a mistake in `src` cannot hide. */
function uuidV5(namespace: string, name: Uint8Array): string {
  const bytes = createHash("sha1")
    .update(Buffer.from(namespace.replaceAll("-", ""), "hex"))
    .update(name)
    .digest()
    .subarray(0, 16);
  bytes[6] = (bytes[6]! & 0x0f) | 0x50;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
