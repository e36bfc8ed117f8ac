/**
 * Ciphertexts as arguments and as results of commands.
 *
 * Owns the options that say how they are read, and their form as a result. Must not know what is done with them.
 *
 * @module
 */
import { existsSync } from "node:fs";
import { Option } from "commander";
import { parseEnvelope } from "../../crypto/envelope/envelope.ts";
import { inspect } from "../../crypto/envelope/inspect.ts";
import { LAYOUTS, type Layout } from "../../crypto/envelope/layouts.ts";
import { isVaultError, type VaultError } from "../../errors.ts";
import type { Result } from "../output/format.ts";
import { Hinted } from "../output/hints.ts";
import { choicesParser } from "./arguments.ts";
import { readCiphertext } from "./values.ts";

/** How ciphertexts are read. */
export interface ReadOptions {
  readonly layout?: readonly Layout[] | undefined;
  readonly lenient?: boolean | undefined;
}

/** The same, as the library has it. */
export interface ReadFlags {
  readonly layouts: readonly Layout[] | undefined;
  readonly lenient: boolean | undefined;
}

/** The argument that is a ciphertext. */
export const CIPHERTEXT_ARGUMENT = [
  "[ciphertext]",
  "the text itself, @FILE, or - for standard input",
] as const;

/** How it is read: {@link ReadOptions}. */
export const CIPHERTEXT_OPTIONS: readonly Option[] = [
  new Option(
    "--layout <name>",
    `accept only this layout; repeat it for more (${LAYOUTS.join(", ")}; default all)`,
  ).argParser(choicesParser("layout", LAYOUTS)),
  new Option("--lenient", "accept what lenient peers write: base64 with white space, without padding"),
];

/** The library's options for the command's. */
export const readFlags = ({ layout, lenient }: ReadOptions): ReadFlags => ({ layouts: layout, lenient });

/** Reads a ciphertext and looks whether it is one: no vault is needed for that. @throws as `parseEnvelope` */
export async function readAndParse(given: string | undefined, flags: ReadFlags): Promise<string> {
  let ciphertext = "";
  try {
    ciphertext = await readCiphertext(given);
    parseEnvelope(ciphertext, flags);
    return ciphertext;
  } catch (error) {
    throw isVaultError(error) ? new Hinted(error, hintsAbout(error, ciphertext, given, flags)) : error;
  }
}

/** What the text might be instead. */
export function hintsAbout(
  { code }: VaultError,
  text: string,
  given: string | undefined,
  flags: ReadFlags,
): readonly string[] {
  const files =
    "what encrypt-file has written goes to `coffer decrypt-file FILE`, or `coffer rekey-file FILE`";
  if (code === "ERR_ENVELOPE_TOO_LARGE") return [files];
  if (code !== "ERR_NOT_CIPHERTEXT") return [];
  if (/^CFR\d/.test(text)) return [files];
  if (/^(?:\xef\xbb\xbf|\xff\xfe|\xfe\xff)/.test(text) || text.includes("\0")) {
    return ["the text is UTF-16 or begins with a byte order mark: save it as UTF-8 without one, or as ASCII"];
  }
  if (isFileName(given)) return ["a file of this name is there: @ before it reads the file"];
  if (flags.lenient !== true && isParsed(text, { ...flags, lenient: true })) {
    return ["--lenient accepts base64 with white space or without padding"];
  }
  return [];
}

function isParsed(text: string, flags: ReadFlags): boolean {
  try {
    parseEnvelope(text, flags);
    return true;
  } catch {
    return false;
  }
}

function isFileName(given: string | undefined): boolean {
  return given !== undefined && !given.startsWith("@") && given !== "-" && existsSync(given);
}

/** A ciphertext as the result of a verb. */
export function ciphertextResult(ciphertext: string): Result {
  return {
    view: ciphertext,
    data: () => {
      // Always one that coffer has written just now, so never in need of lenience.
      const { layout, keyBlob } = inspect(ciphertext);
      return { ciphertext, layout, dataKeyId: keyBlob.dataKeyId, keks: keyBlob.keks };
    },
  };
}
