/**
 * `coffer rekey-data`: the group of commands that move the ciphertexts of a database to new keys.
 *
 * Owns the group, its options and how a source is named. What its verbs do is in rekey-data-verbs.ts.
 *
 * @module
 */
import type { Group } from "../command.ts";
import {
  REKEY_DATA_ABORT,
  REKEY_DATA_PLAN,
  REKEY_DATA_RUN,
  REKEY_DATA_STATUS,
  REKEY_DATA_VERIFY,
} from "./rekey-data-verbs.ts";

/** The group. */
export const REKEY_DATA: Group = {
  name: "rekey-data",
  summary: "move the ciphertexts of a database to new keys, while it is in use",
  description: "Moves the ciphertexts of a database to new keys, while applications read and write it.",
  help: `
A job goes through a table and moves each ciphertext to new keys, while the
application reads and writes it. It can be stopped at any time, by Ctrl-C, by
kill -9 or by a power cut: run the same command again and it goes on. The same
command may run on several machines at once.

  rewrap      the same data key and context, under the newest KEK versions
  rekey       the same data key, for another key context (--context)
  re-encrypt  a new data key and a new ciphertext
  upgrade     another layout (--layout)
  bind        associated data for ciphertexts that have none (--aad)

rewrap and rekey do not evict a data key that has leaked: who has it can read the
ciphertext, whatever wraps it. For that, re-encrypt.

Examples:
  $ coffer keys rotate organization_id=org_1 --vault vault.db
  $ coffer rekey-data plan app.db --table users --column ssn --vault vault.db
  $ coffer rekey-data run app.db --table users --column ssn --vault vault.db
  $ coffer rekey-data verify app.db --table users --column ssn --vault vault.db
  $ coffer keys shred organization_id=org_1 --version 1 --vault vault.db
`,
  verbs: [REKEY_DATA_PLAN, REKEY_DATA_RUN, REKEY_DATA_STATUS, REKEY_DATA_VERIFY, REKEY_DATA_ABORT],
};
