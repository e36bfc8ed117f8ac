/**
 * Recipients' documents, from a file or a URL.
 *
 * Owns where they are read from, and how much of it. Must not know what is in them.
 *
 * @module
 */
import { fromUtf8 } from "../../base/bytes.ts";
import { RECIPIENT_DOCUMENT_CHARS_MAX } from "../../crypto/sealed/recipient-document.ts";
import { VaultError } from "../../errors.ts";
import { isLoopback } from "../../http/base-url.ts";
import { looksLikeUrl } from "../../vault/files/vault-path.ts";
import { usageError } from "../errors.ts";
import { readFile } from "../io.ts";
import { checkNoKey } from "./paths.ts";

/** Milliseconds in which a document must have come. Ours. */
const FETCH_MS = 10_000;

/** UTF-8 has at most three bytes for each UTF-16 unit. */
const BYTES_MAX = 3 * RECIPIENT_DOCUMENT_CHARS_MAX;

/**
 * The text of a document.
 *
 * @param place - a path, or a URL with https (or http to this machine)
 * @throws CliError ERR_USAGE, ERR_INPUT_UNREADABLE; VaultError ERR_SERVICE_UNAVAILABLE, ERR_RECIPIENT_INVALID
 */
export async function readRecipientDocument(place: string, signal: AbortSignal): Promise<string> {
  checkNoKey(place, "--recipient");
  const bytes = looksLikeUrl(place)
    ? await fetchBytes(place, signal)
    : await readFile(place, BYTES_MAX + 1, "recipient");
  const text = bytes.length > BYTES_MAX ? undefined : fromUtf8(bytes);
  if (text === undefined) {
    throw new VaultError("ERR_RECIPIENT_INVALID", "the recipient's document is too long, or no UTF-8 text");
  }
  return text;
}

async function fetchBytes(place: string, signal: AbortSignal): Promise<Uint8Array> {
  const url = URL.canParse(place) ? new URL(place) : undefined;
  const isSafe = url?.protocol === "https:" || (url?.protocol === "http:" && isLoopback(url.hostname));
  if (url === undefined || !isSafe) {
    throw usageError("--recipient takes a path or an https URL", "over plain http anybody could exchange it");
  }
  let response: Response;
  const bytes: number[] = [];
  try {
    // An answer from elsewhere would be another's document.
    const ends = AbortSignal.any([signal, AbortSignal.timeout(FETCH_MS)]);
    response = await fetch(url, { redirect: "error", credentials: "omit", signal: ends });
    for await (const part of (response.body ?? []) as AsyncIterable<Uint8Array>) {
      for (const byte of part) bytes.push(byte);
      if (bytes.length > BYTES_MAX) break;
    }
  } catch (error) {
    signal.throwIfAborted();
    throw new VaultError("ERR_SERVICE_UNAVAILABLE", "the recipient's document cannot be fetched", {
      cause: error,
    });
  }
  if (response.status === 200) return Uint8Array.from(bytes);
  throw new VaultError(
    response.status === 404 ? "ERR_KEY_NOT_FOUND" : "ERR_SERVICE_UNAVAILABLE",
    `the recipient's document cannot be fetched: the server answered ${response.status}`,
  );
}
