/**
 * The testkit's files on sealed data keys: a head of `name: value` lines, an empty line, the payload.
 *
 * Owns reading and writing of that form, which README.md describes for other implementations. Takes nothing from `src`.
 *
 * @module
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

export const SEALED_DIRECTORY: string = join(import.meta.dirname, "sealed");
const VERSION = "1";

/** A sealed key blob, and the one recipient that the vault has which it is given to. */
export interface BlobFile {
  readonly kind: "key-blob";
  readonly name: string;
  readonly comment: string;
  /** `ok`, or the error's code. */
  readonly expect: string;
  /** 16 bytes. */
  readonly recipientId: Uint8Array;
  /** Private keys of the suite x25519 by version, from 1: 32 bytes each. */
  readonly privateKeys: readonly Uint8Array[];
  /** Canonical form of the recipient's context; empty for an environment-wide one. */
  readonly context: Uint8Array;
  /** What must come out: 32 bytes, and the id of 16; empty unless `expect` is `ok`. */
  readonly dataKey: Uint8Array;
  readonly dataKeyId: Uint8Array;
  readonly payload: Uint8Array;
}

/** A sender of a recipient's list. */
export interface ListedSender {
  /** Ed25519, 32 bytes. */
  readonly publicKey: Uint8Array;
  readonly state: "valid" | "revoked" | "expired";
}

/** A sealed key blob, signed or not, and the one recipient that the vault has which it is given to, with its senders. */
export interface SignedBlobFile extends Omit<BlobFile, "kind"> {
  readonly kind: "signed-key-blob";
  readonly requiresSender: boolean;
  readonly senders: readonly ListedSender[];
  /** Who must be told to have signed it: 16 bytes; empty for nobody, and unless `expect` is `ok`. */
  readonly senderId: Uint8Array;
}

/** A recipient's document, and what its sealer expects. */
export interface DocumentFile {
  readonly kind: "document";
  readonly name: string;
  readonly comment: string;
  readonly expect: string;
  /** The time, in milliseconds since 1970. */
  readonly now: number;
  /** Base64; empty where none is pinned. */
  readonly signer: string;
  /** 0 where any is accepted. */
  readonly minVersion: number;
  /** The context that the sealer is told, as JSON; empty where it is told none. */
  readonly context: string;
  /** JSON text. */
  readonly payload: Uint8Array;
}

export type SealedFile = BlobFile | SignedBlobFile | DocumentFile;

const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const fromHex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "hex"));

export function encodeSealed(file: SealedFile): Uint8Array {
  const { kind, comment, expect } = file;
  const lines: string[] = [`coffer-testkit-sealed: ${VERSION}`, `kind: ${kind}`];
  lines.push(`comment: ${comment}`, `expect: ${expect}`);
  if (file.kind !== "document") {
    lines.push(
      `recipient-id: ${toHex(file.recipientId)}`,
      `private-keys: ${file.privateKeys.map(toHex).join(" ")}`,
      `context: ${toHex(file.context)}`,
      `data-key: ${toHex(file.dataKey)}`,
      `data-key-id: ${toHex(file.dataKeyId)}`,
    );
    if (file.kind === "signed-key-blob") {
      const senders = file.senders.map(({ publicKey, state }) => `${toHex(publicKey)}=${state}`);
      lines.push(
        `requires-sender: ${file.requiresSender ? "yes" : "no"}`,
        `senders: ${senders.join(" ")}`,
        `sender-id: ${toHex(file.senderId)}`,
      );
    }
  } else {
    lines.push(`now: ${file.now}`, `signer: ${file.signer}`, `min-version: ${file.minVersion}`);
    // Files of other recipients are from before there were environment-wide ones.
    if (file.context !== "") lines.push(`told-context: ${file.context}`);
  }
  return Buffer.concat([Buffer.from(`${lines.join("\n")}\n\n`), file.payload]);
}

export function decodeSealed(name: string, bytes: Uint8Array): SealedFile {
  const end = Buffer.from(bytes).indexOf("\n\n");
  const lines = Buffer.from(bytes.subarray(0, end)).toString("utf8").split("\n");
  const fields = new Map(lines.map((line) => line.split(/: ?(.*)/s, 2) as [string, string]));
  const field = (key: string): string => {
    const value = fields.get(key);
    if (value === undefined) throw new Error(`${name}: no ${key}`);
    return value;
  };
  if (field("coffer-testkit-sealed") !== VERSION) throw new Error(`${name}: another version of the testkit`);
  const common = { name, comment: field("comment"), expect: field("expect") };
  const payload = Uint8Array.from(bytes.subarray(end + 2));
  if (field("kind") === "document") {
    const minVersion = Number(field("min-version"));
    return {
      kind: "document",
      ...common,
      now: Number(field("now")),
      signer: field("signer"),
      minVersion,
      context: fields.get("told-context") ?? "",
      payload,
    };
  }
  const blob = {
    ...common,
    recipientId: fromHex(field("recipient-id")),
    privateKeys: field("private-keys").split(" ").map(fromHex),
    context: fromHex(field("context")),
    dataKey: fromHex(field("data-key")),
    dataKeyId: fromHex(field("data-key-id")),
    payload,
  };
  if (field("kind") === "key-blob") return { kind: "key-blob", ...blob };
  const senders = field("senders")
    .split(" ")
    .filter((text) => text !== "");
  return {
    kind: "signed-key-blob",
    ...blob,
    requiresSender: field("requires-sender") === "yes",
    senders: senders.map((text) => {
      const [publicKey, state] = text.split("=") as [string, ListedSender["state"]];
      return { publicKey: fromHex(publicKey), state };
    }),
    senderId: fromHex(field("sender-id")),
  };
}

/** All files as they are stored, by name. */
export function readSealed(): SealedFile[] {
  return readdirSync(SEALED_DIRECTORY)
    .sort()
    .map((name) => decodeSealed(name, readFileSync(join(SEALED_DIRECTORY, name))));
}
