/**
 * `coffer rekey` and `coffer rewrap`: a ciphertext's data key under other KEKs.
 *
 * @module
 */
import { type Action, CONTEXT_OPTIONS, type ContextOptions, requiredContext, type Verb } from "../command.ts";
import {
  CIPHERTEXT_ARGUMENT,
  CIPHERTEXT_OPTIONS,
  ciphertextResult,
  type ReadOptions,
  readAndParse,
  readFlags,
} from "../input/ciphertexts.ts";

interface RekeyOptions extends ContextOptions, ReadOptions {}

const rekey: Action<RekeyOptions> = async (run, options, given) => {
  const flags = readFlags(options);
  const context = await requiredContext(options);
  const ciphertext = await readAndParse(given, flags);
  const vault = await run.open();
  return ciphertextResult(await vault.rekey(ciphertext, context, { ...flags, signal: run.signal }));
};

/** `coffer rekey`. */
export const REKEY: Verb = {
  name: "rekey",
  summary: "move a ciphertext to another key context",
  description: "Moves a ciphertext to another key context without touching its data.",
  arguments: [CIPHERTEXT_ARGUMENT],
  options: [...CIPHERTEXT_OPTIONS, ...CONTEXT_OPTIONS],
  help: `
rekey: the same data key, wrapped for another key context. The encrypted data is
not read and stays, byte for byte. The old ciphertext can still be decrypted by
whoever has the KEKs of the old context: delete it, or shred those. It does not
take the data away from someone who has had the data key: for that, decrypt and
encrypt again.

See also: coffer rewrap (same context, newest KEK versions), coffer keys rotate
(a new KEK version).

Examples:
  $ coffer rekey @secret.txt --vault vault.db --context organization_id=org_2 > moved.txt
`,
  run: rekey,
};

const rewrap: Action<ReadOptions> = async (run, options, given) => {
  const flags = readFlags(options);
  const ciphertext = await readAndParse(given, flags);
  const vault = await run.open();
  return ciphertextResult(await vault.rewrap(ciphertext, { ...flags, signal: run.signal }));
};

/** `coffer rewrap`. */
export const REWRAP: Verb = {
  name: "rewrap",
  summary: "wrap a ciphertext's data key under the newest KEK versions",
  description: "Wraps a ciphertext's data key under the newest KEK versions without touching its data.",
  arguments: [CIPHERTEXT_ARGUMENT],
  options: [...CIPHERTEXT_OPTIONS],
  help: `
rewrap: the same data key and the same key context, wrapped under the newest
version of each KEK. The encrypted data is not read and stays, byte for byte.
Where there is no newer version, the same text is printed. After a rotation,
rewrap ciphertexts before you shred the old KEK version.

See also: coffer keys rewrap (the same for all values in the vault), coffer keys
rotate, coffer rekey.

Examples:
  $ coffer keys rotate organization_id=org_1 --vault vault.db
  $ coffer rewrap @secret.txt --vault vault.db > newer.txt
`,
  run: rewrap,
};
