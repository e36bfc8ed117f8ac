/**
 * Values: given as an argument, as `@file` or on standard input.
 *
 * Owns that syntax and the limits of what is read. Must not know what the values are for.
 *
 * @module
 */
import { Option } from "commander";
import { fromUtf8, utf8 } from "../../base/bytes.ts";
import {
  ASSOCIATED_DATA_BYTES_MAX,
  CONTEXT_JSON_CHARS_MAX,
  ENVELOPE_BYTES_MAX,
  KEY_BLOB_BYTES_MAX,
  PLAINTEXT_BYTES_MAX,
} from "../../crypto/limits.ts";
import { VaultError } from "../../errors.ts";
import { KV_VALUE_BYTES_MAX } from "../../kv/rules.ts";
import { usageError } from "../errors.ts";
import { hasWaitingInput, isStdinGiven, isStdinPipe, isStdinTerminal, readFile, readStdin } from "../io.ts";
import { readHidden } from "./hidden-input.ts";
import { checkNoKey } from "./paths.ts";

/** How help texts explain a value. */
export const VALUE_SYNTAX =
  "the text itself, @FILE, or - for standard input; @@ begins a text that begins with @";

interface ValueKind {
  /** Names the value in errors. */
  readonly what: string;
  readonly maxBytes: number;
  readonly tooLarge: () => Error;
  /** Whether it is a secret: then none may be empty, lost or shown by mistake. */
  readonly isSecret: boolean;
}

/** How a value is taken. */
export interface SecretOptions {
  /** Take an empty value for what was meant. */
  readonly allowEmpty?: boolean | undefined;
}

/** The option that lets an empty value in. */
export const ALLOW_EMPTY_OPTION = "--allow-empty";
/** The option, for values that are given whole. */
export const ALLOW_EMPTY = new Option(
  ALLOW_EMPTY_OPTION,
  "take an empty value, which is refused as a mistake otherwise",
);

const PLAINTEXT: ValueKind = {
  what: "value",
  isSecret: true,
  maxBytes: PLAINTEXT_BYTES_MAX,
  tooLarge: () =>
    new VaultError("ERR_PLAINTEXT_TOO_LARGE", `the value has more than ${PLAINTEXT_BYTES_MAX} bytes`),
};

const CIPHERTEXT: ValueKind = {
  what: "ciphertext",
  isSecret: false,
  // As base64, with room for line ends at the end.
  maxBytes: Math.ceil(ENVELOPE_BYTES_MAX / 3) * 4 + 1024,
  tooLarge: () =>
    new VaultError("ERR_ENVELOPE_TOO_LARGE", `the ciphertext has more than ${ENVELOPE_BYTES_MAX} bytes`),
};

const WRAPPED_KEY: ValueKind = {
  what: "wrapped data key",
  isSecret: false,
  // As base64, with room for line ends at the end.
  maxBytes: Math.ceil(KEY_BLOB_BYTES_MAX / 3) * 4 + 1024,
  tooLarge: () =>
    new VaultError("ERR_KEY_BLOB_MALFORMED", `the wrapped key has more than ${KEY_BLOB_BYTES_MAX} bytes`),
};

const KV_VALUE: ValueKind = {
  what: "value",
  isSecret: true,
  maxBytes: KV_VALUE_BYTES_MAX,
  tooLarge: () =>
    new VaultError("ERR_KV_VALUE_TOO_LARGE", `the value has more than ${KV_VALUE_BYTES_MAX} bytes`),
};

/** A value to encrypt, exactly as it was given. */
export function readPlaintext(given: string | undefined, options: SecretOptions): Promise<Uint8Array> {
  return read(given, PLAINTEXT, options);
}

/** A ciphertext: text, so line ends after it do not belong to it. */
export function readCiphertext(given: string | undefined): Promise<string> {
  return readBase64(given, CIPHERTEXT);
}

/** A wrapped data key: the same. */
export function readWrappedKey(given: string | undefined): Promise<string> {
  return readBase64(given, WRAPPED_KEY);
}

async function readBase64(given: string | undefined, kind: ValueKind): Promise<string> {
  const bytes = await read(given, kind);
  let end = bytes.length;
  while (end > 0 && (bytes[end - 1] === 0x0a || bytes[end - 1] === 0x0d)) end -= 1;
  // What the second command of a pipeline meets when the first has failed.
  if (end === 0) throw usageError(`there is no ${kind.what}: the input is empty`);
  // One character per byte: what is not base64 is refused where ciphertexts are parsed.
  return Buffer.from(bytes.buffer, bytes.byteOffset, end).toString("latin1");
}

/** A value for the store, exactly as it was given. @throws VaultError ERR_TEXT_MALFORMED */
export async function readKvValue(given: string | undefined, options: SecretOptions): Promise<string> {
  const text = fromUtf8(await read(given, KV_VALUE, options));
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

async function read(
  given: string | undefined,
  kind: ValueKind,
  options: SecretOptions = {},
): Promise<Uint8Array> {
  if (kind.isSecret) await refuseSecondValue(given);
  const bytes =
    given === undefined || given === "-"
      ? await standardInput(given, kind)
      : await textOrFile(given, `the file given as ${kind.what}`, kind.maxBytes);
  if (bytes.length > kind.maxBytes) throw kind.tooLarge();
  if (kind.isSecret && bytes.length === 0 && options.allowEmpty !== true) throw emptyValue();
  return bytes;
}

/** What the second command of a pipeline meets when the first has failed, and what an unset variable gives. */
export function emptyValue(): Error {
  return usageError(
    "the value is empty: nothing was written",
    `${ALLOW_EMPTY_OPTION} takes an empty value`,
    "if it came through a pipe, look why its first command wrote nothing",
  );
}

/** A secret that is piped in must not be dropped because an argument was taken for the value. */
async function refuseSecondValue(given: string | undefined): Promise<void> {
  if (given === undefined || given === "-" || !isStdinGiven()) return;
  // `--context org=1 user=2`: the pipe's writer may take its time, so this is not left to chance.
  const isEntry = /^[\w.-]+=/.test(given);
  if (!(isEntry && isStdinPipe()) && !(await hasWaitingInput())) return;
  throw usageError(
    "one value is given as an argument and another one on standard input: nobody knows which is meant",
    ...(isEntry ? ["each entry of a context needs its own --context"] : []),
    "without the argument, standard input is taken; < /dev/null leaves it alone",
  );
}

function standardInput(given: string | undefined, kind: ValueKind): Promise<Uint8Array> {
  // A script that runs without input has forgotten its value: that must not become an empty secret.
  if (given === undefined && !isStdinGiven()) {
    throw usageError(
      `no ${kind.what} was given`,
      `give the ${kind.what} on standard input, as @FILE, as an argument, or - to type it here${kind.isSecret ? " unseen" : ""}`,
    );
  }
  if (kind.isSecret && isStdinTerminal()) return readHidden(kind.what, kind.maxBytes);
  return readStdin(kind.maxBytes);
}

async function textOrFile(given: string, what: string, maxBytes: number): Promise<Uint8Array> {
  if (!given.startsWith("@")) return utf8(given, "argument");
  if (given.startsWith("@@")) return utf8(given.slice(1), "argument");
  if (given === "@") throw usageError("@ must be followed by the name of a file");
  checkNoKey(given.slice(1), what);
  return readFile(given.slice(1), maxBytes, what);
}
