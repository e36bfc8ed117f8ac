/**
 * `coffer data-key`: the API's operations on data keys, by themselves.
 *
 * Owns what of a data key is printed: everything but the key, unless it is asked for. Must not know where keys come from.
 *
 * @module
 */

import type { DataKey } from "../../crypto/keys/data-key.ts";
import {
  type Action,
  CONTEXT_OPTIONS,
  type ContextOptions,
  type Group,
  option,
  requiredContext,
  type Verb,
} from "../command.ts";
import { readWrappedKey, VALUE_SYNTAX } from "../input/values.ts";
import { jsonText, type Result } from "../output/format.ts";

interface Options extends ContextOptions {
  readonly showKey?: boolean;
}

const SHOW_KEY = option("--show-key", "print the data key itself too: whoever sees it can decrypt");

const WRAPPED_ARGUMENT = [
  "[encrypted-keys]",
  `a wrapped data key in base64, as encryptedKeys of another answer: ${VALUE_SYNTAX}`,
] as const;

const create: Action<Options> = async (run, options) => {
  const context = await requiredContext(options);
  const vault = await run.open({ create: true });
  return result(await vault.createDataKey({ context }, { signal: run.signal }), options);
};

const CREATE: Verb = {
  name: "create",
  summary: "make a data key",
  description: "Makes a data key for a key context, and prints it as JSON without the key itself.",
  options: [...CONTEXT_OPTIONS, SHOW_KEY],
  run: create,
};

const decrypt: Action<Options> = async (run, options, given) => {
  const keys = await readWrappedKey(given);
  const vault = await run.open();
  return result(await vault.createDecrypt({ keys }, { signal: run.signal }), options);
};

const DECRYPT: Verb = {
  name: "decrypt",
  summary: "unwrap a data key",
  description: "Unwraps a data key, and prints it as JSON without the key itself.",
  arguments: [WRAPPED_ARGUMENT],
  options: [SHOW_KEY],
  run: decrypt,
};

const rekey: Action<Options> = async (run, options, given) => {
  const context = await requiredContext(options);
  const encryptedKeys = await readWrappedKey(given);
  const vault = await run.open();
  return result(await vault.createRekey({ context, encryptedKeys }, { signal: run.signal }), options);
};

const REKEY: Verb = {
  name: "rekey",
  summary: "wrap a data key for another key context",
  description:
    "Wraps the same data key for another key context, and prints it as JSON without the key itself.",
  arguments: [WRAPPED_ARGUMENT],
  options: [...CONTEXT_OPTIONS, SHOW_KEY],
  run: rekey,
};

/** The group. */
export const DATA_KEY: Group = {
  name: "data-key",
  summary: "make, unwrap and rekey data keys for other programs",
  description: "Makes, unwraps and rekeys data keys for other programs.",
  help: `
A data key encrypts data in some other program. The vault makes it and gives it
out in two forms: the key itself, and wrapped, to be kept with what it encrypts.
Only who may use the vault gets the key back from the wrapped form.

The answer is JSON: id, context, encryptedKeys (the wrapped form). The key itself
is printed only with --show-key, as dataKey in base64: keep it out of logs and
histories.

Examples:
  $ coffer data-key create --context organization_id=org_1 --vault vault.db > key.json
  $ coffer data-key decrypt @wrapped.txt --vault vault.db --show-key --field dataKey
  $ coffer data-key rekey @wrapped.txt --vault vault.db --context organization_id=org_2
`,
  verbs: [CREATE, DECRYPT, REKEY],
};

/** Takes the key over, and disposes of it. */
function result(key: DataKey, { showKey }: Options): Result {
  try {
    const { id, context, encryptedKeys } = key;
    const data = { id, context, encryptedKeys, ...(showKey === true ? { dataKey: key.dataKey } : {}) };
    return { view: jsonText(data), data: () => data };
  } finally {
    key.dispose();
  }
}
