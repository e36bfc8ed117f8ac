/**
 * The life of recipients: made, rotated, disabled, enabled, shredded, and their documents.
 *
 * Owns which changes of a recipient's versions and states are allowed. Each change raises the counters by which all processes
 * notice. Must not know data keys.
 *
 * @module
 */
import { KEMS } from "../../crypto/hpke/kems.ts";
import { decodeKeyBlob } from "../../crypto/keys/key-blob.ts";
import type { SealedSuite } from "../../crypto/keys/sealed-key-blob.ts";
import { uuidFromText } from "../../crypto/primitives/uuid.ts";
import { type RecipientDocument, signRecipient } from "../../crypto/sealed/recipient-document.ts";
import type { SealedTools } from "../../crypto/sealed/tools.ts";
import { VaultError } from "../../errors.ts";
import { type KekListRequest, ownListRequest } from "../../keks/kek-service.ts";
import {
  type CreateRecipientRequest,
  ownCreateRequest,
  ownRecipientSelector,
  ownRequireSender,
  ownValidMs,
  type RecipientDocumentOptions,
  type RecipientInfo,
  type RecipientPage,
  type RecipientSelector,
  type RecipientService,
  type RecipientState,
  type RequireSenderRequest,
} from "../../keks/recipient-service.ts";
import { runCall } from "../../keys/calls.ts";
import type { CallOptions } from "../../keys/key-service.ts";
import { type Access, inScope } from "../access/access.ts";
import type { IdempotentWrites, WriteOptions } from "../access/idempotency.ts";
import type { Authority } from "../authority/authority.ts";
import type { ChangeKind } from "../authority/log.ts";
import { newUuid } from "../ids.ts";
import { contextOfRecipient, wrappingContext } from "../keks/environment-wide.ts";
import type { Keyring } from "../keks/keyring.ts";
import { areActive, kekLocks, kekText, REVOKED_RETRIES_MAX, revokedTooFast } from "../keks/locks.ts";
import { storedContext } from "../keks/rows.ts";
import type { SessionParts } from "../keks/session-parts.ts";
import { ROOT_LOCK } from "../root/roots.ts";
import { revocationCounter } from "../storage/changes.ts";
import type { Database, Row, Sql } from "../storage/database.ts";
import { keyPairOf } from "./recipient-keys.ts";
import {
  checkRecipient,
  checkUsable,
  findRecipient,
  insertRecipient,
  insertRecipientVersion,
  newRecipientVersion,
  type RecipientRow,
  recipientInfo,
  recipientsAfter,
  sealRecipient,
  setRecipientState,
  setRequiresSender,
} from "./recipient-rows.ts";
import { SenderLifecycle } from "./senders.ts";
import { makeSigningKey, withSigningKey } from "./signing-key.ts";
import { toolsOf } from "./tools.ts";

/** Changes recipients within one environment. */
export class RecipientLifecycle implements RecipientService {
  readonly takesHeaders = false;
  readonly senders: SenderLifecycle;
  readonly #database: Database;
  readonly #authority: Authority;
  readonly #keyring: Keyring;
  readonly #access: Access;
  readonly #writes: IdempotentWrites;
  readonly #now: () => number;
  readonly #tools: SealedTools;

  constructor(parts: SessionParts) {
    this.#tools = toolsOf(parts);
    this.senders = new SenderLifecycle(parts);
    this.#database = parts.database;
    this.#authority = parts.authority;
    this.#keyring = parts.keyring;
    this.#access = parts.access;
    this.#writes = parts.writes;
    this.#now = parts.now;
  }

  create(request: CreateRecipientRequest, options: WriteOptions = {}): Promise<RecipientInfo> {
    return runCall(options, this, async (call) => {
      const { context, suite, requireSender } = ownCreateRequest(request);
      const wrapping = wrappingContext(context);
      if (context === undefined) this.#checkUnbound();
      else inScope(this.#access, context);
      this.#checkAuthenticated();
      return this.#withVersion(wrapping, suite, call, async (sql, made) => {
        await makeSigningKey(sql, await this.#lockAll(sql), this.#now());
        const recipient = {
          id: newUuid(),
          environment_id: this.#access.environmentId,
          canonical: wrapping.bytes,
          suite,
          created_at: this.#now(),
          requires_sender: requireSender ? 1 : 0,
        };
        const version = newRecipientVersion(1, made, this.#now());
        return recipientInfo(await insertRecipient(sql, this.#authority, recipient, version));
      });
    });
  }

  list(request: KekListRequest = {}, options: CallOptions = {}): Promise<RecipientPage> {
    return runCall(options, this, async (call) => {
      const { limit, after = "" } = ownListRequest(request);
      return this.#database.read(async (sql) => {
        const known = await this.#authority.look(sql);
        const rows = await recipientsAfter(sql, this.#access.environmentId, after, limit);
        const data = rows.slice(0, limit).map((row) => {
          checkRecipient(known, row);
          return recipientInfo(row);
        });
        return { data, listMetadata: { after: rows.length > limit ? data.at(-1)!.id : null } };
      }, call);
    });
  }

  get(selector: RecipientSelector, options: CallOptions = {}): Promise<RecipientInfo> {
    return runCall(options, this, async (call) => {
      const { id } = ownRecipientSelector(selector);
      return recipientInfo(await this.#read(id, call));
    });
  }

  document(selector: RecipientSelector, options: RecipientDocumentOptions = {}): Promise<RecipientDocument> {
    const { validMs, ...rest } = options;
    return runCall(rest, this, async (call) => {
      const { id } = ownRecipientSelector(selector);
      const validity = ownValidMs({ validMs });
      const recipient = await this.#read(id, call);
      const newest = recipient.versions.at(-1)!;
      // What nobody could open is not given out.
      const { key } = await this.#keyring.unwrap(
        keyPairOf(recipient, newest.version as number).wrapped,
        "recipient",
        call,
      );
      key.fill(0);
      const issuedAt = this.#now();
      return this.#database.read(
        (sql) =>
          withSigningKey(sql, this.#authority.roots, (seed) =>
            signRecipient(
              {
                suite: recipient.suite,
                recipientId: uuidFromText(id)!,
                version: newest.version as number,
                context: contextOfRecipient(recipient.stored),
                publicKey: newest.public_key as Uint8Array,
                issuedAt,
                expiresAt: issuedAt + validity,
              },
              seed,
              this.#tools.curves.sync(),
            ),
          ),
        call,
      );
    });
  }

  rotate(selector: RecipientSelector, options: WriteOptions = {}): Promise<RecipientInfo> {
    return runCall(options, this, async (call) => {
      const { id } = ownRecipientSelector(selector);
      const before = await this.#read(id, call);
      const context = storedContext(before.stored.canonical);
      return this.#withVersion(context, before.suite, call, (sql, made) =>
        this.#changed(sql, id, "rotate", async ({ versions }) => {
          const newest = versions.at(-1)!;
          if (newest.state === "disabled") {
            throw new VaultError(
              "ERR_KEY_STATE",
              `the recipient ${id} is disabled: enable it before rotating it`,
            );
          }
          const version = newRecipientVersion((newest.version as number) + 1, made, this.#now());
          await insertRecipientVersion(sql, id, version);
          const older =
            newest.state === "active" ? await setRecipientState(sql, id, newest, "decrypt-only") : newest;
          return { versions: [...versions.slice(0, -1), older, version] };
        }),
      );
    });
  }

  disable(selector: RecipientSelector, options: WriteOptions = {}): Promise<RecipientInfo> {
    return this.#setStates(selector, "disable", () => "disabled", options);
  }

  enable(selector: RecipientSelector, options: WriteOptions = {}): Promise<RecipientInfo> {
    return this.#setStates(selector, "enable", (isNewest) => (isNewest ? "active" : "decrypt-only"), options);
  }

  async shred(selector: RecipientSelector, options: WriteOptions = {}): Promise<RecipientInfo> {
    const info = await this.#setStates(selector, "shred", () => "destroyed", options);
    await this.#database.scrub({ signal: options.signal });
    return info;
  }

  /** Puts versions that are not destroyed into another state. */
  #setStates(
    selector: RecipientSelector,
    kind: ChangeKind,
    stateOf: (isNewest: boolean) => RecipientState,
    options: WriteOptions,
  ): Promise<RecipientInfo> {
    return runCall(options, this, async (call) => {
      const { id, version } = ownRecipientSelector(selector);
      const work = (sql: Sql) =>
        this.#changed(sql, id, kind, async ({ versions }) => {
          const meant = version === undefined ? versions : versions.filter((row) => row.version === version);
          if (meant.length === 0) {
            throw new VaultError("ERR_KEY_NOT_FOUND", `the recipient ${id} has no version ${version}`);
          }
          const existing = meant.filter((row) => row.state !== "destroyed");
          if (existing.length === 0) checkUsable("destroyed");
          const changed: Row[] = [];
          for (const row of versions) {
            const state = existing.includes(row) ? stateOf(row === versions.at(-1)) : undefined;
            changed.push(state === undefined ? row : await setRecipientState(sql, id, row, state));
          }
          return { versions: changed };
        });
      return this.#writes.write(work, call);
    });
  }

  requireSender(request: RequireSenderRequest, options: WriteOptions = {}): Promise<RecipientInfo> {
    return runCall(options, this, async (call) => {
      const { id, required } = ownRequireSender(request);
      const work = (sql: Sql) =>
        this.#changed(sql, id, "senders", async ({ stored }) => ({
          stored: await setRequiresSender(sql, stored, required),
        }));
      return this.#writes.write(work, call);
    });
  }

  /** Runs a change of a recipient that is as it was written, and seals it with the rows that `work` answers as changed. */
  async #changed(
    sql: Sql,
    id: string,
    kind: ChangeKind,
    work: (recipient: RecipientRow) => Promise<Partial<Pick<RecipientRow, "stored" | "versions">>>,
  ): Promise<RecipientInfo> {
    const recipient = await findRecipient(sql, this.#access.environmentId, id, true);
    const change = await this.#authority.change(sql);
    checkRecipient(change, recipient);
    const { stored, versions } = { ...recipient, ...(await work(recipient)) };
    const generation = await change.append(kind, id);
    const changed = await sealRecipient(sql, this.#authority, stored, versions, generation);
    await sql.raise("keks", "revocations", revocationCounter(this.#access.environmentId));
    return recipientInfo(changed);
  }

  /**
   * Makes a key pair and runs the write that stores it, once per idempotency key; anew if a KEK that it is wrapped under goes out
   * of use before ([REV-1]).
   */
  async #withVersion<T>(
    context: ReturnType<typeof storedContext>,
    suite: SealedSuite,
    call: WriteOptions,
    work: (sql: Sql, made: { readonly publicKey: Uint8Array; readonly wrapped: Uint8Array }) => Promise<T>,
  ): Promise<T> {
    for (let attempt = 0; attempt < REVOKED_RETRIES_MAX; attempt++) {
      const made = await this.#makeVersion(context, suite, call);
      const keks = decodeKeyBlob(made.wrapped).keks.map(kekText);
      const stored = await this.#database.write(
        async (sql) => {
          if (!(await areActive(sql, keks))) return undefined;
          return { value: await this.#writes.once(sql, call.idempotency, () => work(sql, made)) };
        },
        { signal: call.signal, sharedLocks: [...kekLocks(keks), ROOT_LOCK] },
      );
      if (stored !== undefined) return stored.value;
      await this.#database.lookAfresh();
    }
    throw revokedTooFast();
  }

  /** A key pair whose private key is wrapped under the newest KEKs of the context. */
  async #makeVersion(context: ReturnType<typeof storedContext>, suite: SealedSuite, call: CallOptions) {
    const made = await this.#keyring.createDataKey(context, "recipient", this.#access.events, call);
    try {
      return { publicKey: KEMS[suite].publicKey(this.#tools, made.key), wrapped: made.blob };
    } finally {
      made.key.fill(0);
    }
  }

  async #read(id: string, call: CallOptions): Promise<RecipientRow> {
    return this.#database.read(async (sql) => {
      const found = await findRecipient(sql, this.#access.environmentId, id, false);
      checkRecipient(await this.#authority.look(sql), found);
      return found;
    }, call);
  }

  /** Two that make the first recipient at the same time take turns. @returns what the signing key is wrapped under */
  async #lockAll(sql: Sql) {
    const root = await this.#authority.prepare(sql);
    await this.#authority.change(sql);
    return root;
  }

  /** An environment-wide recipient is for contexts of all kinds: not for who may see some of them only. */
  #checkUnbound(): void {
    if (this.#access.scope.length === 0) return;
    throw new VaultError(
      "ERR_CONTEXT_NOT_ALLOWED",
      "this caller is bound to key contexts, so it makes no environment-wide recipient",
    );
  }

  #checkAuthenticated(): void {
    if (this.#authority.isAuthenticated) return;
    throw new VaultError(
      "ERR_UNSUPPORTED",
      "this vault is not authenticated, so it has no key to sign with: run coffer migrate --authenticate first",
    );
  }
}
