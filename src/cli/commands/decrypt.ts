/**
 * `coffer decrypt`.
 *
 * @module
 */

import { encodeBase64 } from "../../base/base64.ts";
import { fromUtf8 } from "../../base/bytes.ts";
import { inspect } from "../../crypto/envelope/inspect.ts";
import {
  type Action,
  type DecryptionOptions,
  decryptionOptions,
  expectedContext,
  option,
  type Verb,
} from "../command.ts";
import { checkOutFile, writeOutFile } from "../files/out-file.ts";
import {
  CIPHERTEXT_ARGUMENT,
  CIPHERTEXT_OPTIONS,
  type ReadOptions,
  readAndParse,
  readFlags,
} from "../input/ciphertexts.ts";
import { readAssociatedData } from "../input/values.ts";

interface Options extends ReadOptions, DecryptionOptions {
  readonly out?: string;
  readonly force?: boolean;
}

const decrypt: Action<Options> = async (run, options, given) => {
  const { out } = options;
  const force = options.force === true;
  if (out !== undefined) checkOutFile(out, force);
  const context = await expectedContext(options);
  const associatedData = await readAssociatedData(options.aad);
  const flags = readFlags(options);
  const ciphertext = await readAndParse(given, flags);
  const vault = await run.open();
  const { signal } = run;
  const reading = { as: "bytes", context, signal, ...flags } as const;
  const opened = await vault.decryptSealed(ciphertext, associatedData, reading);
  const plaintext = opened.data;
  const isSealed = inspect(ciphertext, flags).keyBlob.format === "sealed";
  // By the id copies are told; the sender is null where no signature says it.
  const origin = isSealed ? { dataKeyId: opened.dataKeyId, sender: opened.sender ?? null } : {};
  if (opened.sender !== undefined) await run.note(`sealed and signed by the sender ${opened.sender}`);
  if (out !== undefined) {
    await writeOutFile(out, plaintext, force);
    return { view: "", data: () => ({ file: out, bytes: plaintext.length, ...origin }) };
  }
  return {
    view: plaintext,
    data: () => {
      const text = fromUtf8(plaintext);
      return text === undefined
        ? { plaintext: encodeBase64(plaintext), encoding: "base64", ...origin }
        : { plaintext: text, encoding: "utf-8", ...origin };
    },
  };
};

/** `coffer decrypt`. */
export const DECRYPT: Verb = {
  name: "decrypt",
  summary: "decrypt a ciphertext",
  description: "Decrypts a ciphertext of any layout.",
  arguments: [CIPHERTEXT_ARGUMENT],
  options: [
    ...CIPHERTEXT_OPTIONS,
    ...decryptionOptions("ciphertext"),
    option("--out <file>", "write to a new file that only you can read, instead of standard output"),
    option("--force", "let --out replace a file"),
  ],
  help: `
Exactly the bytes that were encrypted are written; on a terminal a line break
follows, and bytes that are not plain text are refused. With --format json,
"plaintext" is text where "encoding" is utf-8, else base64. Of what was sealed
"sender" tells who signed it, and "dataKeyId" tells copies.

Examples:
  $ coffer decrypt @secret.txt --vault vault.db
  $ coffer decrypt @photo.txt --vault vault.db --aad user:42 --out photo.jpg
  $ coffer decrypt @secret.txt --vault vault.db --expect-context organization_id=org_1
`,
  run: decrypt,
};
