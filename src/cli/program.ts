/**
 * The tree of commands and what they have in common.
 *
 * Owns the top of the tree, its help, and the options of every command. What a command does is in commands/.
 *
 * @module
 */
import type { Command, OutputConfiguration } from "commander";
import manifest from "../../package.json" with { type: "json" };
import { addAll, addCommonOptions, type Execute } from "./bind.ts";
import type { Group, Verb } from "./command.ts";
import { API_KEYS, ENVIRONMENTS, STATUS } from "./commands/administration.ts";
import { BACKUP, RESTORE } from "./commands/backup.ts";
import { DATA_KEY } from "./commands/data-key.ts";
import { DECRYPT } from "./commands/decrypt.ts";
import { ENCRYPT } from "./commands/encrypt.ts";
import { CAT, DECRYPT_FILE, ENCRYPT_FILE } from "./commands/files.ts";
import { INSPECT } from "./commands/inspect.ts";
import { KEYS } from "./commands/keys.ts";
import { KV } from "./commands/kv.ts";
import { MIGRATE } from "./commands/migrate.ts";
import { RECIPIENTS } from "./commands/recipients.ts";
import { REKEY, REWRAP } from "./commands/rekey.ts";
import { REKEY_DATA } from "./commands/rekey-data.ts";
import { REKEY_FILE } from "./commands/rekey-file.ts";
import { ROOT } from "./commands/root.ts";
import { SCAN } from "./commands/scan.ts";
import { SEAL } from "./commands/seal.ts";
import { SERVER } from "./commands/server.ts";
import { Parser } from "./parser.ts";

/** Every command, by the headings of the help. */
const COMMANDS: readonly (readonly [heading: string, commands: readonly (Verb | Group)[]])[] = [
  ["Ciphertexts:", [ENCRYPT, SEAL, DECRYPT, INSPECT, REKEY, REWRAP, SCAN]],
  ["Files:", [ENCRYPT_FILE, DECRYPT_FILE, CAT, REKEY_FILE]],
  ["Databases:", [REKEY_DATA]],
  ["The vault:", [KV, KEYS, RECIPIENTS, DATA_KEY]],
  ["The service:", [SERVER, ENVIRONMENTS, API_KEYS, BACKUP, RESTORE, MIGRATE, ROOT, STATUS]],
];

const HELP = `
A value is given as the text itself, as @FILE, or as - for standard input, which
is also read where no value is given and something is piped in. @@ begins a text
that begins with @. Bytes are taken exactly as they are: a line break at the end
belongs to the value (echo -n writes none). - on a terminal asks for the value and
does not show it. An empty value is refused unless --allow-empty is given.

Environment variables:
  COFFER_VAULT          path of the vault, where --vault is not given
  COFFER_ENVIRONMENT    environment to work in, where --environment is not given
  COFFER_ROOT_KEY       the root key as base64, where --root-key-file is not given
  COFFER_ROOT_KEY_NEXT  the next root key, while coffer root rotate is under way
  COFFER_BASE_URL       URL of a coffer server, where neither --server nor --vault is given
  COFFER_API_KEY        API key for the server
  COFFER_DATABASE       PostgreSQL database of coffer server, where --database is not given

Exit codes:
  0    done
  1    wrong usage, or a problem on this side: input, output, not a ciphertext
  2    the vault said no: not there, not found, in conflict, key out of use
  3    integrity: decryption failed, ciphertext or vault damaged
  130  interrupted; after another signal, 128 and its number

Examples:
  $ export COFFER_VAULT=./vault.db
  $ echo -n s3cret | coffer encrypt --context organization_id=org_1 > secret.txt
  $ coffer decrypt @secret.txt
  $ coffer inspect @secret.txt
  $ coffer rekey @secret.txt --context organization_id=org_2
  $ coffer encrypt-file backup.tar --context organization_id=org_1
  $ echo -n s3cret | coffer kv put db-password --context app=billing
  $ coffer kv get db-password
`;

/**
 * The tree, for one parse.
 *
 * @param argv - the arguments that it will parse
 * @param output - where help texts go
 */
export function createProgram(
  argv: readonly string[],
  execute: Execute,
  output: Pick<OutputConfiguration, "writeOut" | "writeErr">,
): Command {
  const program = new Parser(argv, "coffer")
    .description(
      "Encrypts secrets in this process with data keys from a vault that is one local file, and keeps small ones in it.",
    )
    // Settings first: commands inherit them.
    .configureOutput({ ...output, outputError: () => {} })
    .configureHelp({ showGlobalOptions: false })
    .exitOverride()
    // Options belong to the command that they follow: --version alone is the program's, after "kv get" the object's.
    .enablePositionalOptions()
    .helpOption("--help", "show help")
    .helpCommand("help [command]", "show help for a command")
    .version(manifest.version, "--version", "print the version")
    .addHelpText("after", HELP);
  addCommonOptions(program, "hidden");
  for (const [heading, commands] of COMMANDS) {
    program.commandsGroup(heading);
    addAll(program, commands, execute);
  }
  return program;
}
