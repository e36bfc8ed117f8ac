/**
 * The key service of a test vault: data keys in memory, by the blobs that name them (docs/spec/test-vault.md section 1).
 *
 * Owns the data keys and their blobs. Must not know KEKs' states, nor which calls fail.
 *
 * @module
 */

import { encodeBase64 } from "../base/base64.ts";
import type { Bytes } from "../base/bytes.ts";
import { type ItemResult, resultOf } from "../base/item-result.ts";
import { DataKey, keyBlobFromText } from "../crypto/keys/data-key.ts";
import { decodeKeyBlob, encodeKeyBlob, WRAP_NONCE_BYTES, WRAPPED_BYTES } from "../crypto/keys/key-blob.ts";
import { type CanonicalContext, canonicalContext, contextObject } from "../crypto/keys/key-context.ts";
import { KEY_BYTES } from "../crypto/limits.ts";
import { randomBytes } from "../crypto/primitives/random.ts";
import { uuidToText } from "../crypto/primitives/uuid.ts";
import { VaultError } from "../errors.ts";
import { runCall } from "../keys/calls.ts";
import type {
  CallOptions,
  CreateDataKeyRequest,
  DecryptRequest,
  KeyService,
  RekeyRequest,
  RewrapRequest,
} from "../keys/key-service.ts";
import { REVISION_LIMITS_LOCAL } from "../keys/limits.ts";
import type { RevisionSource } from "../keys/revisions.ts";
import type { Faults, TestOperation } from "./faults.ts";
import type { Seeded } from "./seeded.ts";
import type { TestKekVersion, TestRing } from "./test-ring.ts";

/** Bytes that tell the services of two test vaults apart. Ours. */
const SERVICE_ID_BYTES = 32;

/** A data key as the service holds it. */
interface HeldKey {
  readonly idBytes: Uint8Array;
  readonly key: Uint8Array;
  readonly context: CanonicalContext;
  readonly under: readonly TestKekVersion[];
}

/** Data keys of one test vault. */
export class TestKeyService implements KeyService {
  readonly id: string;
  readonly takesHeaders = false;
  readonly #ring: TestRing;
  readonly #faults: Faults;
  readonly #seeded: Seeded;
  readonly #held = new Map<string, HeldKey>();
  /** By data-key id, as they were made. */
  readonly #made = new Map<string, HeldKey>();
  /** How often all that is held of this service was to be let go of. */
  #lockouts = 0;
  readonly revisions: RevisionSource;

  constructor(ring: TestRing, faults: Faults, seeded: Seeded) {
    this.#ring = ring;
    this.#faults = faults;
    this.#seeded = seeded;
    const isLetGo = (): number => this.#lockouts;
    this.revisions = {
      limits: REVISION_LIMITS_LOCAL,
      get lockouts() {
        return isLetGo();
      },
      newest: () => ({ id: ring.revocations }),
      check: async (keys) => ({
        revision: { id: ring.revocations },
        results: keys.map((encryptedKeys) => this.#check(encryptedKeys)),
      }),
    };
    this.id = `test:${encodeBase64(randomBytes(SERVICE_ID_BYTES))}`;
  }

  createDataKey(request: CreateDataKeyRequest, options: CallOptions = {}): Promise<DataKey> {
    return this.#run("createDataKey", options, () => {
      const context = canonicalContext(request.context);
      return () => {
        const under = this.#ring.newest(context);
        const idBytes = this.#seeded.dataKeyIdBytes();
        const held = { idBytes, key: randomBytes(KEY_BYTES), context, under };
        this.#made.set(uuidToText(idBytes), held);
        return this.#hand(held);
      };
    });
  }

  createDecrypt(request: DecryptRequest, options: CallOptions = {}): Promise<DataKey> {
    return this.#run("createDecrypt", options, () => {
      const blob = testBlob(request.keys);
      return () => toDataKey(blob, this.#find(blob));
    });
  }

  createRekey(request: RekeyRequest, options: CallOptions = {}): Promise<DataKey> {
    return this.#run("createRekey", options, () => {
      const context = canonicalContext(request.context);
      const blob = testBlob(request.encryptedKeys);
      return () => this.#hand({ ...this.#find(blob), context, under: this.#ring.newest(context) });
    });
  }

  createRewrap(request: RewrapRequest, options: CallOptions = {}): Promise<DataKey> {
    return this.#run("createRewrap", options, () => {
      const blob = testBlob(request.encryptedKeys);
      return () => {
        const held = this.#find(blob);
        const under = this.#ring.newest(held.context);
        const isNewest = under.every((version, index) => version === held.under[index]);
        return isNewest ? toDataKey(blob, held) : this.#hand({ ...held, under });
      };
    });
  }

  /** Whether the data key of this id would be unwrapped now, as it was wrapped when it was made. */
  isGood(keyId: string): boolean {
    const held = this.#made.get(keyId);
    return held !== undefined && resultOf(() => this.#ring.use(held.under)).ok;
  }

  /** Lets all that is held of this service be let go of at its next look. */
  letGo(): void {
    this.#lockouts += 1;
  }

  #check(encryptedKeys: string): ItemResult<true> {
    return resultOf(() => {
      this.#find(testBlob(encryptedKeys));
      return true as const;
    });
  }

  /** Arguments are checked by `check` before the call can fail by plan; what it answers does the work. */
  #run(operation: TestOperation, options: CallOptions, check: () => () => DataKey): Promise<DataKey> {
    return runCall(options, this, async (call) => {
      const work = check();
      call.signal?.throwIfAborted();
      return this.#faults.run(operation, async () => work());
    });
  }

  #find(blob: Bytes): HeldKey {
    const held = this.#held.get(encodeBase64(blob));
    if (held === undefined) {
      throw new VaultError("ERR_KEY_NOT_FOUND", "this test vault has not made the wrapped data key");
    }
    this.#ring.use(held.under);
    return held;
  }

  #hand(held: HeldKey): DataKey {
    const keks = held.under.map(({ kek, version }) => ({ id: kek.idBytes, version }));
    const blob = encodeKeyBlob(
      {
        dataKeyId: held.idBytes,
        keks,
        nonce: randomBytes(WRAP_NONCE_BYTES),
        wrapped: randomBytes(WRAPPED_BYTES),
      },
      "test",
    );
    this.#held.set(encodeBase64(blob), held);
    return toDataKey(blob, held);
  }
}

/** The blob in a text. @throws TypeError ERR_INVALID_ARGUMENT; VaultError ERR_KEY_BLOB_MALFORMED unless it is a test vault's */
function testBlob(encryptedKeys: string): Bytes {
  const blob = keyBlobFromText(encryptedKeys);
  decodeKeyBlob(blob, "test");
  return blob;
}

function toDataKey(blob: Bytes, { idBytes, key, context }: HeldKey): DataKey {
  return new DataKey({
    id: uuidToText(idBytes),
    key,
    encryptedKeys: encodeBase64(blob),
    keyBlob: blob,
    context: contextObject(context),
  });
}
