/**
 * `coffer encrypt`.
 *
 * @module
 */

import { LAYOUTS, layoutRow, type WritableLayout } from "../../crypto/envelope/layouts.ts";
import {
  AAD,
  type Action,
  CONTEXT_OPTIONS,
  type ContextOptions,
  option,
  requiredContext,
  type Verb,
} from "../command.ts";
import { choiceParser } from "../input/arguments.ts";
import { ciphertextResult } from "../input/ciphertexts.ts";
import {
  ALLOW_EMPTY,
  readAssociatedData,
  readPlaintext,
  type SecretOptions,
  VALUE_SYNTAX,
} from "../input/values.ts";

interface Options extends ContextOptions, SecretOptions {
  readonly aad?: string;
  readonly layout?: WritableLayout;
}

/** `iv32` is only read. */
const WRITABLE = LAYOUTS.filter((layout): layout is WritableLayout => layoutRow(layout).isWritable);

const encrypt: Action<Options> = async (run, options, given) => {
  const context = await requiredContext(options);
  const associatedData = await readAssociatedData(options.aad);
  const plaintext = await readPlaintext(given, options);
  const vault = await run.open({ create: true });
  const ciphertext = await vault.encrypt(plaintext, context, associatedData, {
    layout: options.layout,
    signal: run.signal,
  });
  return ciphertextResult(ciphertext);
};

/** `coffer encrypt`. */
export const ENCRYPT: Verb = {
  name: "encrypt",
  summary: "encrypt a value",
  description: "Encrypts a value, text or any bytes, under a new data key of a key context.",
  arguments: [["[value]", VALUE_SYNTAX]],
  options: [
    ...CONTEXT_OPTIONS,
    AAD,
    ALLOW_EMPTY,
    option(
      "--layout <name>",
      `layout to write (${WRITABLE.join(", ")}; default iv12)`,
      choiceParser("layout", WRITABLE),
    ),
  ],
  help: `
The result is base64 text on one line. The vault is made if there is none; so
are KEKs, one for each entry of the context. Whoever is to decrypt needs all of
them.

Examples:
  $ echo -n s3cret | coffer encrypt --vault vault.db --context organization_id=org_1
  $ coffer encrypt @photo.jpg --vault vault.db --context user=42 --aad user:42 > photo.txt
`,
  run: encrypt,
};
