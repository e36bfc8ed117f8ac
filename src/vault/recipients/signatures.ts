/**
 * Signatures of senders, as a vault checks them (docs/spec/sealed-data-key.md section 9).
 *
 * Owns the rule: which blobs need a signature, whose counts, and which error tells what. Must not know private keys of recipients.
 *
 * @module
 */
import { fromHex } from "../../base/bytes.ts";
import type { SealedKeyBlob } from "../../crypto/keys/sealed-key-blob.ts";
import { uuidToText } from "../../crypto/primitives/uuid.ts";
import { senderMessage } from "../../crypto/sealed/sender.ts";
import { decryptFailed, VaultError } from "../../errors.ts";
import type { Authenticated } from "../authority/authority.ts";
import { SENDERS_KEPT_MS } from "../limits.ts";
import type { Sql } from "../storage/database.ts";
import { sendersOf } from "./sender-rows.ts";
import { TOOLS } from "./tools.ts";

/** A sender as it was read. */
interface KeptSender {
  readonly publicKey: Uint8Array;
  /** Milliseconds since 1970 by the database's clock; null for one that does not expire. */
  readonly expiresAt: number | null;
  readonly isRevoked: boolean;
}

/** The senders of a recipient as they were read. */
export interface KeptSenders {
  /** By id. */
  readonly byId: ReadonlyMap<string, KeptSender>;
  /** Milliseconds by which the database's clock was ahead of this process's. */
  readonly ahead: number;
  /** By `performance.now()`: to be read again from then on. */
  readonly until: number;
}

/** Whom a blob is checked against. */
interface Signed {
  readonly requiresSender: boolean;
  /** There for a blob that is signed. */
  readonly senders: KeptSenders | undefined;
}

/**
 * What an unknown sender is checked against, so that it takes as long as for a known one: the key of RFC 8032 section 7.1, test 1.
 * Whatever comes of it is refused.
 */
const NOT_LISTED = fromHex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");

/** Reads a recipient's senders, and the clock. */
export async function readSenders(
  sql: Sql,
  known: Authenticated,
  recipientId: string,
  now: () => number,
): Promise<KeptSenders> {
  const rows = await sendersOf(sql, known, recipientId);
  const byId = new Map(
    rows.map((row) => [
      row.id as string,
      {
        publicKey: row.public_key as Uint8Array,
        expiresAt: row.expires_at as number | null,
        isRevoked: row.revoked_at !== null,
      },
    ]),
  );
  return {
    byId,
    ahead: (await sql.now(now)) - now(),
    until: performance.now() + SENDERS_KEPT_MS,
  };
}

/**
 * Whose signature a blob has.
 *
 * @param now - the clock of this process
 * @returns the sender's id; undefined for a blob without a signature, if none is demanded
 * @throws VaultError ERR_DECRYPT_FAILED for a signature that is not of a sender of the list; ERR_SENDER_REFUSED for a missing one,
 *   and one of a sender who was revoked or has expired
 */
export function checkedSender(
  { requiresSender, senders }: Signed,
  blob: SealedKeyBlob,
  now: number,
): string | undefined {
  if (blob.senderId === undefined) {
    if (requiresSender) throw refused("it has no sender's signature, which its recipient demands");
    return undefined;
  }
  const id = uuidToText(blob.senderId);
  const sender = senders!.byId.get(id);
  const isRight = TOOLS.curves
    .sync()
    .verify(sender?.publicKey ?? NOT_LISTED, senderMessage(blob.unsigned), blob.signature);
  if (!isRight || sender === undefined) throw decryptFailed();
  if (sender.isRevoked) throw refused("its sender was revoked");
  if (sender.expiresAt !== null && now + senders!.ahead >= sender.expiresAt) {
    throw refused("its sender has expired");
  }
  return id;
}

function refused(why: string): VaultError {
  return new VaultError("ERR_SENDER_REFUSED", `the sealed data key is refused: ${why}`);
}
