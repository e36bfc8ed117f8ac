/**
 * The senders of recipients: added, revoked, renewed (docs/spec/sealed-data-key.md section 9).
 *
 * Owns which changes of a sender are allowed. Each change raises the counters by which all processes notice. Must not know
 * signatures.
 *
 * @module
 */
import { uuidFromText, uuidToText } from "../../crypto/primitives/uuid.ts";
import { senderId } from "../../crypto/sealed/sender.ts";
import { VaultError } from "../../errors.ts";
import {
  type AddSenderRequest,
  ownAddSender,
  ownRenewSender,
  ownSenderList,
  ownSenderSelector,
  type RenewSenderRequest,
  type SenderInfo,
  type SenderListRequest,
  type SenderPage,
  type SenderSelector,
  type SenderService,
} from "../../keks/sender-service.ts";
import { runCall } from "../../keys/calls.ts";
import type { CallOptions } from "../../keys/key-service.ts";
import type { WriteOptions } from "../access/idempotency.ts";
import type { Change } from "../authority/authority.ts";
import type { ChangeKind } from "../authority/log.ts";
import type { SessionParts } from "../keks/session-parts.ts";
import { SENDERS_MAX } from "../limits.ts";
import { revocationCounter } from "../storage/changes.ts";
import type { Row, Sql } from "../storage/database.ts";
import { checkRecipient, findRecipient } from "./recipient-rows.ts";
import {
  changeSender,
  checkSender,
  countSenders,
  insertSender,
  lockSender,
  senderInfo,
  sendersAfter,
} from "./sender-rows.ts";

/** Changes the senders of the recipients of one environment. */
export class SenderLifecycle implements SenderService {
  readonly takesHeaders = false;
  readonly #parts: SessionParts;

  constructor(parts: SessionParts) {
    this.#parts = parts;
  }

  add(request: AddSenderRequest, options: WriteOptions = {}): Promise<SenderInfo> {
    return runCall(options, this, async (call) => {
      const { recipientId, name, publicKey, expiresAt } = ownAddSender(request);
      return this.#parts.writes.write(
        (sql) =>
          this.#changed(sql, recipientId, async () => {
            const now = await sql.now(this.#parts.now);
            checkExpiry(expiresAt, now);
            const id = uuidToText(senderId(uuidFromText(recipientId)!, publicKey));
            const { count, isThere } = await countSenders(sql, recipientId, id);
            if (isThere) {
              throw new VaultError("ERR_KEY_STATE", `the sender ${id} is on the list: renew it instead`);
            }
            if (count >= SENDERS_MAX) {
              throw new VaultError("ERR_KEY_STATE", `the recipient has ${SENDERS_MAX} senders, and no more`);
            }
            return insertSender(sql, this.#parts.authority, {
              id,
              recipient_id: recipientId,
              name,
              public_key: publicKey,
              created_at: now,
              expires_at: expiresAt,
              revoked_at: null,
            });
          }),
        call,
      );
    });
  }

  list(request: SenderListRequest, options: CallOptions = {}): Promise<SenderPage> {
    return runCall(options, this, async (call) => {
      const { recipientId, limit, after = "" } = ownSenderList(request);
      const { authority, access, database } = this.#parts;
      return database.read(async (sql) => {
        const known = await authority.look(sql);
        checkRecipient(known, await findRecipient(sql, access.environmentId, recipientId, false));
        const rows = await sendersAfter(sql, known, recipientId, after, limit);
        const data = rows.slice(0, limit).map(senderInfo);
        return { data, listMetadata: { after: rows.length > limit ? data.at(-1)!.id : null } };
      }, call);
    });
  }

  revoke(selector: SenderSelector, options: WriteOptions = {}): Promise<SenderInfo> {
    return runCall(options, this, async (call) => {
      const own = ownSenderSelector(selector);
      return this.#change(own, "revoke", call, async (sql, row) => {
        if (row.revoked_at !== null) {
          throw new VaultError("ERR_KEY_STATE", `the sender ${own.id} is revoked already`);
        }
        return { revoked_at: await sql.now(this.#parts.now) };
      });
    });
  }

  renew(request: RenewSenderRequest, options: WriteOptions = {}): Promise<SenderInfo> {
    return runCall(options, this, async (call) => {
      const { expiresAt, ...own } = ownRenewSender(request);
      return this.#change(own, "renew", call, async (sql) => {
        checkExpiry(expiresAt, await sql.now(this.#parts.now));
        return { revoked_at: null, expires_at: expiresAt };
      });
    });
  }

  /** Changes a sender that is as it was written. @param changesOf - answers the columns that change */
  #change(
    { recipientId, id }: SenderSelector,
    kind: ChangeKind,
    options: WriteOptions,
    changesOf: (sql: Sql, row: Row) => Promise<Row>,
  ): Promise<SenderInfo> {
    return this.#parts.writes.write(
      (sql) =>
        this.#changed(sql, recipientId, async (change) => {
          const row = await lockSender(sql, recipientId, id);
          checkSender(change, row);
          const changes = await changesOf(sql, row);
          const generation = await change.append(kind, id);
          return changeSender(sql, this.#parts.authority, row, { ...changes, generation });
        }),
      options,
    );
  }

  /** Runs a change of a recipient's senders: they take turns by the recipient's row. Its record stays. */
  async #changed<T>(sql: Sql, recipientId: string, work: (change: Change) => Promise<T>): Promise<T> {
    const { access, authority } = this.#parts;
    const recipient = await findRecipient(sql, access.environmentId, recipientId, true);
    const change = await authority.change(sql);
    checkRecipient(change, recipient);
    const done = await work(change);
    await sql.raise("keks", "revocations", revocationCounter(access.environmentId));
    return done;
  }
}

function checkExpiry(expiresAt: number | null, now: number): void {
  if (expiresAt === null || expiresAt > now) return;
  throw new VaultError("ERR_KEY_STATE", "expiresAt is over already, by the vault's clock");
}
