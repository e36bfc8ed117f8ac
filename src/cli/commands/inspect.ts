/**
 * `coffer inspect`.
 *
 * @module
 */

import { type CiphertextInfo, inspect, inspectNative } from "../../crypto/envelope/inspect.ts";
import { claimsNative, NATIVE_HEADER_BYTES_MAX } from "../../crypto/native/format.ts";
import type { Action, Verb } from "../command.ts";
import { openToRead } from "../files/file-streams.ts";
import {
  CIPHERTEXT_ARGUMENT,
  CIPHERTEXT_OPTIONS,
  type ReadOptions,
  readAndParse,
  readFlags,
} from "../input/ciphertexts.ts";
import { isPipe } from "../io.ts";
import { record } from "../output/format.ts";

const inspectCiphertext: Action<ReadOptions> = async (_run, options, given) => {
  const flags = readFlags(options);
  const info = (await inspectFile(given)) ?? inspect(await readAndParse(given, flags), flags);
  const { format, dataKeyId, keks, recipient, sender, bytes } = info.keyBlob;
  return {
    view: record([
      ["layout", info.layout],
      ["canonical", info.isCanonical ? "yes" : "no"],
      ["wrapped by", format],
      ["data key", dataKeyId ?? "unknown"],
      ...keks.map(
        ({ id, version }) => ["KEK", version === undefined ? id : `${id} version ${version}`] as const,
      ),
      ["recipient", recipient && `${recipient.id} version ${recipient.version}`],
      ["sender", sender],
      ["key blob bytes", String(bytes)],
      ["nonce bytes", String(info.nonceBytes)],
      ["plaintext bytes", String(info.plaintextBytes)],
    ]),
    data: () => info,
  };
};

/** `coffer inspect`. */
export const INSPECT: Verb = {
  name: "inspect",
  summary: "tell layout, key ids and sizes of a ciphertext",
  description: "Tells layout, key ids and sizes of a ciphertext, without any key.",
  arguments: [CIPHERTEXT_ARGUMENT],
  options: [...CIPHERTEXT_OPTIONS],
  help: `
Needs no vault and no key. The ids are those of the data key and of the KEKs
that wrap it, as the vault knows them (coffer keys list). Nothing of this is
authenticated: only decrypting tells whether it is true.

Examples:
  $ coffer inspect @secret.txt
  $ coffer inspect @secret.txt --field keyBlob.dataKeyId
  $ coffer inspect @backup.tar.coffer
`,
  needs: "nothing",
  run: inspectCiphertext,
};

/** A file that encrypt-file has written: of whatever size, its beginning is enough. Undefined for anything else. */
async function inspectFile(given: string | undefined): Promise<CiphertextInfo | undefined> {
  if (given === undefined || !/^@[^@]/.test(given)) return undefined;
  const path = given.slice(1);
  // What is no plain file can be read only once, and a pipe's writer ends when it is closed.
  if (isPipe(path)) return undefined;
  const file = await openToRead(path);
  try {
    const { stats } = file;
    if (!stats.isFile()) return undefined;
    const head = new Uint8Array(NATIVE_HEADER_BYTES_MAX);
    const { bytesRead } = await file.read(head, 0, head.length, 0);
    const bytes = head.subarray(0, bytesRead);
    return claimsNative(bytes) ? inspectNative(bytes, stats.size) : undefined;
  } finally {
    await file.close();
  }
}
