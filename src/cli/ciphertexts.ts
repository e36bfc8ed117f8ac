/**
 * Ciphertexts as arguments and as results of commands.
 *
 * Owns the options that say how they are read, and their form as a result. Must not know what is done with them.
 *
 * @module
 */
import type { Command } from "commander";
import { LAYOUTS, type Layout, parseEnvelope } from "../crypto/envelope.ts";
import { inspect } from "../crypto/inspect.ts";
import { choicesParser } from "./arguments.ts";
import type { Result } from "./format.ts";
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

export function addCiphertextArgument(command: Command): Command {
  return command
    .argument("[ciphertext]", "the text itself, @FILE, or - for standard input")
    .option(
      "--layout <name>",
      `accept only this layout; repeat it for more (${LAYOUTS.join(", ")}; default all)`,
      choicesParser("layout", LAYOUTS),
    )
    .option("--lenient", "accept what lenient peers write: base64 with white space, without padding");
}

export const readFlags = ({ layout, lenient }: ReadOptions): ReadFlags => ({ layouts: layout, lenient });

/** Reads a ciphertext and looks whether it is one: no vault is needed for that. @throws as `parseEnvelope` */
export async function readAndParse(given: string | undefined, flags: ReadFlags): Promise<string> {
  const ciphertext = await readCiphertext(given);
  parseEnvelope(ciphertext, flags);
  return ciphertext;
}

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
