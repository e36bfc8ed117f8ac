/**
 * `coffer seal`: encrypts for who has a recipient's private key, without a vault and without an API key.
 *
 * @module
 */
import { SealedEncryptor, type SealedLayout } from "../../sealed/encryptor.ts";
import { sealedSender } from "../../sealed/sender.ts";
import { AAD, CONTEXT_OPTIONS, type ContextOptions, contextFrom, option, type Verb } from "../command.ts";
import type { CommandRun } from "../command-run.ts";
import { usageError } from "../errors.ts";
import { choiceParser } from "../input/arguments.ts";
import { ciphertextResult } from "../input/ciphertexts.ts";
import { readRecipientDocument } from "../input/recipient-documents.ts";
import { readSenderKey } from "../input/sender-keys.ts";
import {
  ALLOW_EMPTY,
  readAssociatedData,
  readPlaintext,
  type SecretOptions,
  VALUE_SYNTAX,
} from "../input/values.ts";
import type { Result } from "../output/format.ts";

interface Options extends SecretOptions, ContextOptions {
  readonly recipient?: string;
  readonly signer?: string;
  readonly aad?: string;
  readonly layout?: SealedLayout;
  readonly senderKey?: string;
}

const LAYOUTS: readonly SealedLayout[] = ["native", "iv12"];

const HELP = `
The document is what coffer recipients export writes, or what a coffer server
answers at /coffer/v1/recipients/ID. It has the key context. The result is an
ordinary ciphertext: the vault of the recipient decrypts it, and coffer rewrap
turns it into one under KEKs. Nothing that is here can decrypt it.

The document of an environment-wide recipient has no key context: give one with
--context, the one that you encrypt for.

With --signer every document of another signer is refused. Without it the
document is trusted as it came: who could exchange it would read what you seal.

Examples:
  $ echo -n s3cret | coffer seal --recipient recipient.json
  $ echo -n s3cret | coffer seal --recipient recipient.json --sender-key sender.key
  $ coffer seal @form.json --recipient https://vault.example/coffer/v1/recipients/ID --signer KEY
`;

/** `coffer seal`. */
export const SEAL: Verb = {
  name: "seal",
  summary: "encrypt a value for a recipient, without a vault",
  description: "Encrypts a value with a public key of a vault's key context. Needs no vault and no API key.",
  arguments: [["[value]", VALUE_SYNTAX]],
  options: [
    option("--recipient <place>", "the recipient's document: a path or an https URL"),
    option("--signer <key>", "the signer that the document must have, base64 as it stands there"),
    ...CONTEXT_OPTIONS,
    option("--sender-key <file>", "sign by the key of this file, which recipients senders keygen has made"),
    AAD,
    ALLOW_EMPTY,
    option(
      "--layout <name>",
      `layout to write (${LAYOUTS.join(", ")}; default native)`,
      choiceParser("layout", LAYOUTS),
    ),
  ],
  help: HELP,
  needs: "nothing",
  run: seal,
};

async function seal(run: CommandRun, options: Options, given: string | undefined): Promise<Result> {
  const { recipient: place, signer, layout, senderKey } = options;
  if (place === undefined || place === "") {
    throw usageError("no recipient was given", "name its document with --recipient FILE or URL");
  }
  const context = await contextFrom(options);
  const associatedData = await readAssociatedData(options.aad);
  const plaintext = await readPlaintext(given, options);
  const recipient = await readRecipientDocument(place, run.signal);
  const sender =
    senderKey === undefined ? undefined : sealedSender({ privateKey: await readSenderKey(senderKey) });
  let encryptor: SealedEncryptor;
  let ciphertext: string;
  try {
    encryptor = new SealedEncryptor({ recipient, signer, context, layout, sender });
    ciphertext = await encryptor.encrypt(plaintext, associatedData);
  } finally {
    sender?.dispose();
  }
  if (encryptor.trust === "first-use") {
    await run.note(`the document was trusted as it came: --signer ${encryptor.signer} pins its signer`);
  }
  return ciphertextResult(ciphertext);
}
