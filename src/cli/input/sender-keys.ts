/**
 * Private keys of senders, from files.
 *
 * Owns their form: base64 of 32 bytes, and a line break. Must not know what is signed.
 *
 * @module
 */
import { decodeBase64 } from "../../base/base64.ts";
import { asciiText, type Bytes } from "../../base/bytes.ts";
import { usageError } from "../errors.ts";
import { readFile } from "../io.ts";
import { checkNoKey } from "./paths.ts";

/** Bytes of the seed of an Ed25519 key (RFC 8032 section 5.1.5). */
const SEED_BYTES = 32;
/** Bytes of the longest file that is read: more is none. Ours. */
const FILE_BYTES_MAX = 100;

/**
 * The private key of a file that `coffer recipients senders keygen` has made.
 *
 * @throws CliError ERR_USAGE, ERR_INPUT_UNREADABLE
 */
export async function readSenderKey(path: string): Promise<Bytes> {
  checkNoKey(path, "--sender-key");
  const bytes = await readFile(path, FILE_BYTES_MAX, "the sender's key");
  const key = bytes.length > FILE_BYTES_MAX ? undefined : decodeBase64(asciiText(bytes).trim());
  bytes.fill(0);
  if (key?.length === SEED_BYTES) return key;
  throw usageError("the file holds no sender's key", "coffer recipients senders keygen FILE makes one");
}
