/**
 * Values: given as an argument, as `@file` or on standard input.
 *
 * Owns that syntax and the limits of what is read. Must not know what the values are for.
 *
 * @module
 */
import { fromUtf8, utf8 } from "../crypto/bytes.ts";
import {
  ASSOCIATED_DATA_BYTES_MAX,
  CONTEXT_JSON_CHARS_MAX,
  ENVELOPE_BYTES_MAX,
  PLAINTEXT_BYTES_MAX,
} from "../crypto/limits.ts";
import { VaultError } from "../errors.ts";
import { KV_VALUE_BYTES_MAX } from "../kv/rules.ts";
import { usageError } from "./errors.ts";
import { isStdinGiven, readFile, readStdin } from "./io.ts";

/** How help texts explain a value. */
export const VALUE_SYNTAX =
  "the text itself, @FILE, or - for standard input; @@ begins a text that begins with @";

interface ValueKind {
  /** Names the value in errors. */
  readonly what: string;
  readonly maxBytes: number;
  readonly tooLarge: () => Error;
}

const PLAINTEXT: ValueKind = {
  what: "value",
  maxBytes: PLAINTEXT_BYTES_MAX,
  tooLarge: () =>
    new VaultError("ERR_PLAINTEXT_TOO_LARGE", `the value has more than ${PLAINTEXT_BYTES_MAX} bytes`),
};

const CIPHERTEXT: ValueKind = {
  what: "ciphertext",
  // As base64, with room for line ends at the end.
  maxBytes: Math.ceil(ENVELOPE_BYTES_MAX / 3) * 4 + 1024,
  tooLarge: () =>
    new VaultError("ERR_ENVELOPE_TOO_LARGE", `the ciphertext has more than ${ENVELOPE_BYTES_MAX} bytes`),
};

const KV_VALUE: ValueKind = {
  what: "value",
  maxBytes: KV_VALUE_BYTES_MAX,
  tooLarge: () =>
    new VaultError("ERR_KV_VALUE_TOO_LARGE", `the value has more than ${KV_VALUE_BYTES_MAX} bytes`),
};

/** A value to encrypt, exactly as it was given. */
export function readPlaintext(given: string | undefined): Promise<Uint8Array> {
  return read(given, PLAINTEXT);
}

/** A ciphertext: text, so line ends after it do not belong to it. */
export async function readCiphertext(given: string | undefined): Promise<string> {
  const bytes = await read(given, CIPHERTEXT);
  let end = bytes.length;
  while (end > 0 && (bytes[end - 1] === 0x0a || bytes[end - 1] === 0x0d)) end -= 1;
  // What the second command of a pipeline meets when the first has failed.
  if (end === 0) throw usageError("there is no ciphertext: the input is empty");
  // One character per byte: what is not base64 is refused where ciphertexts are parsed.
  return Buffer.from(bytes.buffer, bytes.byteOffset, end).toString("latin1");
}

/** A value for the store, exactly as it was given. @throws VaultError ERR_TEXT_MALFORMED */
export async function readKvValue(given: string | undefined): Promise<string> {
  const text = fromUtf8(await read(given, KV_VALUE));
  if (text === undefined) {
    throw new VaultError(
      "ERR_TEXT_MALFORMED",
      "the value is not UTF-8 text, and the store holds text only: give it as base64",
    );
  }
  return text;
}

/** Associated data: text or `@file`; not standard input, which is for the value. */
export async function readAssociatedData(given: string | undefined): Promise<Uint8Array | undefined> {
  if (given === undefined) return undefined;
  return readOption(given, "--aad", ASSOCIATED_DATA_BYTES_MAX);
}

/** JSON text of a key context: text or `@file`. */
export async function readContextJson(given: string, option: string): Promise<string> {
  const text = fromUtf8(await readOption(given, option, CONTEXT_JSON_CHARS_MAX));
  if (text === undefined) throw usageError(`${option} is not UTF-8 text`);
  return text;
}

async function readOption(given: string, option: string, maxBytes: number): Promise<Uint8Array> {
  if (given === "-") {
    throw usageError(`${option} cannot be read from standard input, which is for the value: use @FILE`);
  }
  const bytes = await textOrFile(given, `the file given to ${option}`, maxBytes);
  if (bytes.length > maxBytes) throw usageError(`${option} has more than ${maxBytes} bytes`);
  return bytes;
}

async function read(given: string | undefined, kind: ValueKind): Promise<Uint8Array> {
  const bytes =
    given === undefined || given === "-"
      ? await standardInput(given, kind)
      : await textOrFile(given, `the file given as ${kind.what}`, kind.maxBytes);
  if (bytes.length > kind.maxBytes) throw kind.tooLarge();
  return bytes;
}

function standardInput(given: string | undefined, kind: ValueKind): Promise<Uint8Array> {
  // A script that runs without input has forgotten its value: that must not become an empty secret.
  if (given === undefined && !isStdinGiven()) {
    throw usageError(
      `no ${kind.what} was given`,
      `give the ${kind.what} on standard input, as @FILE, as an argument, or - to type it here`,
    );
  }
  return readStdin(kind.maxBytes);
}

async function textOrFile(given: string, what: string, maxBytes: number): Promise<Uint8Array> {
  if (!given.startsWith("@")) return utf8(given, "argument");
  if (given.startsWith("@@")) return utf8(given.slice(1), "argument");
  if (given === "@") throw usageError("@ must be followed by the name of a file");
  return readFile(given.slice(1), maxBytes, what);
}
