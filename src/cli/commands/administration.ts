/**
 * `coffer environments`, `api-keys` and `status`: looking after what servers are built on.
 *
 * @module
 */
import { existsSync } from "node:fs";
import { Option } from "commander";
import { fromUtf8, utf8 } from "../../base/bytes.ts";
import type { ContextEntry } from "../../crypto/keys/key-context.ts";
import { canonicalEntries, contextObject } from "../../crypto/keys/key-context.ts";
import type { Anchor, Permission, VaultHost } from "../../vault/index.ts";
import { VERSION } from "../../version.ts";
import { type Action, type Group, option, type Verb } from "../command.ts";
import type { CommandRun } from "../command-run.ts";
import { usageError } from "../errors.ts";
import { OutFile } from "../files/out-file.ts";
import { entryParser } from "../input/arguments.ts";
import { readFile } from "../io.ts";
import { environmentName, openTransport, SERVER_VARIABLE } from "../open.ts";
import { entriesText, record, table } from "../output/format.ts";

/** `coffer environments list`. */
export const ENVIRONMENTS_LIST: Verb = {
  name: "list",
  summary: "list environments",
  description: "Lists the environments of the vault.",
  needs: "host",
  run: async (run: CommandRun) => {
    const environments = await (await run.openHost()).listEnvironments();
    const rows = environments.map(({ name, id, createdAt }) => [name, id, createdAt]);
    return { view: table(["NAME", "ID", "CREATED"], rows), data: () => ({ data: environments }) };
  },
};

/** `coffer environments create`. */
export const ENVIRONMENTS_CREATE: Verb = {
  name: "create",
  summary: "make an environment",
  description: "Makes an environment; one that exists stays as it is.",
  arguments: [["<name>", "1 to 64 of a-z, 0-9, - and _"]],
  needs: "host",
  run: async (run: CommandRun, _options: unknown, name) => {
    const environment = await (await run.openHost({ create: true })).environment(name!);
    return {
      view: record({ name: environment.name, id: environment.id, created: environment.createdAt }),
      data: () => environment,
    };
  },
};

/** The group of these verbs. */
export const ENVIRONMENTS: Group = {
  name: "environments",
  summary: "list and create environments",
  description:
    "Environments are tenants of one vault: keys, values and API keys of one are unknown to the others.",
  verbs: [ENVIRONMENTS_LIST, ENVIRONMENTS_CREATE],
};

const API_KEYS_HELP = `
Permissions, as many as needed; nothing is allowed that is not listed:
  encrypt    make data keys
  decrypt    unwrap data keys
  rekey      wrap data keys anew, for the same context or one with more entries
  rekey:any  with rekey: for any other context
  absorb     wrap sealed data keys anew, and nothing else
  kv:read    read and list stored values
  kv:write   write, delete and destroy stored values
  admin      KEKs, webhooks, events

A constraint (--constraint organization_id=org_1) binds a key to contexts that
have this entry: what is under others does not exist for it.

Examples:
  $ coffer api-keys create billing --permission encrypt --permission decrypt --vault vault.db
  $ coffer api-keys list --vault vault.db
  $ coffer api-keys revoke key_0123456789ABCDEF0123456789ABCDEF --vault vault.db
`;

const createApiKey: Action<CreateOptions> = async (run, options, name) => {
  const { PERMISSIONS } = await import("../../vault/index.ts");
  const permissions = options.permission ?? [];
  if (permissions.length === 0 || permissions.some((permission) => !PERMISSIONS.includes(permission))) {
    throw usageError(
      "an API key needs permissions",
      `give --permission with one of: ${PERMISSIONS.join(", ")}`,
    );
  }
  const constraints =
    options.constraint === undefined ? undefined : contextObject(canonicalEntries(options.constraint));
  const host = await run.openHost({ create: true });
  const environment = await host.environment(environmentName(run.flags));
  const { key, info } = await host.apiKeys.create(environment.id, { name: name!, permissions, constraints });
  const made = record({
    "API key": key,
    id: info.id,
    permissions: info.permissions.join(" "),
    constraints: entriesText(info.constraints, " ") || undefined,
  });
  return { view: `${made}\n\nIt is not shown again.`, data: () => ({ key, ...info }) };
};

/** `coffer api-keys create`. */
export const API_KEYS_CREATE: Verb = {
  name: "create",
  summary: "make an API key, which is shown once",
  description: "Makes an API key. It is shown now and never again; only its hash is stored.",
  arguments: [["<name>", "what it is for, 1 to 100 characters"]],
  options: [
    new Option("--permission <permission>", "what it may do; repeat it for more").argParser(
      (text: string, previous: Permission[] | undefined) => [...(previous ?? []), text as Permission],
    ),
    option(
      "--constraint <name=value>",
      "an entry that contexts must have; repeat it for more",
      entryParser("constraint"),
    ),
  ],
  help: API_KEYS_HELP,
  needs: "host",
  run: createApiKey,
};

/** `coffer api-keys list`. */
export const API_KEYS_LIST: Verb = {
  name: "list",
  summary: "list API keys",
  description: "Lists the API keys of the environment, revoked ones too.",
  needs: "host",
  run: async (run: CommandRun) => {
    const host = await run.openHost();
    const environment = await host.environment(environmentName(run.flags));
    const keys = await host.apiKeys.list(environment.id);
    const rows = keys.map((key) => [
      key.id,
      key.name,
      key.permissions.join(" "),
      entriesText(key.constraints, " "),
      key.createdAt,
      key.revokedAt ?? "",
    ]);
    return {
      view: table(["ID", "NAME", "PERMISSIONS", "CONSTRAINTS", "CREATED", "REVOKED"], rows),
      data: () => ({ data: keys }),
    };
  },
};

/** `coffer api-keys revoke`. */
export const API_KEYS_REVOKE: Verb = {
  name: "revoke",
  summary: "revoke an API key for good",
  description: "Revokes an API key: every server refuses it within a second.",
  arguments: [["<id>", "the key's id, key_…"]],
  needs: "host",
  run: async (run: CommandRun, _options: unknown, id) => {
    const key = await (await run.openHost()).apiKeys.revoke(id!);
    return {
      view: record({ id: key.id, name: key.name, revoked: key.revokedAt ?? undefined }),
      data: () => key,
    };
  },
};

/** The group of these verbs. */
export const API_KEYS: Group = {
  name: "api-keys",
  summary: "create, list and revoke API keys",
  description: "API keys say who may ask a server for what, within one environment.",
  help: API_KEYS_HELP,
  verbs: [API_KEYS_CREATE, API_KEYS_LIST, API_KEYS_REVOKE],
};

interface CreateOptions {
  readonly permission?: readonly Permission[];
  readonly constraint?: readonly ContextEntry[];
}

/** Said of a vault that an older coffer made. */
export const NOT_AUTHENTICATED =
  "who writes this vault's database can change who may do what; coffer migrate --authenticate ends that";

/** `coffer status`. */
export const STATUS: Verb = {
  name: "status",
  summary: "tell how a vault or a server is",
  description: "Tells whether a vault can be opened, or a server reached and with which permissions.",
  options: [
    option(
      "--anchor <file>",
      "compare the vault with what the file tells of it, and write what it holds now; made if there is none",
    ),
  ],
  help: `
--anchor: who can write where a vault is kept can put an older copy of it there,
in which what was disabled or revoked since is not. Nothing in the copy shows it;
an anchor that is kept elsewhere does. It holds numbers and digests, no secret.
An older vault, one with another history, or another vault ends with exit code 3,
and the anchor stays as it is.

Examples:
  $ coffer status --vault vault.db
  $ coffer status --vault vault.db --anchor /mnt/elsewhere/vault.anchor
`,
  needs: "host",
  run: async (run: CommandRun, options: { readonly anchor?: string }) => {
    const server =
      run.flags.server ?? (run.flags.vault || run.flags.database ? undefined : process.env[SERVER_VARIABLE]);
    if (server) {
      if (options.anchor !== undefined)
        throw usageError("--anchor needs a vault, not a server", "name it with --vault or --database");
      const transport = await openTransport(server);
      const status = (await transport.send({ method: "GET", path: ["coffer", "v1", "status"] })) as {
        version: string;
        environment_id: string;
        api_key: { id: string; name: string; permissions: string[] };
      };
      return {
        view: record({
          server: `coffer ${status.version}`,
          environment: status.environment_id,
          "API key": `${status.api_key.name} (${status.api_key.id})`,
          permissions: status.api_key.permissions.join(" "),
        }),
        data: () => status,
      };
    }
    const host = await run.openHost();
    await host.check();
    const environments = await host.listEnvironments();
    const anchored = options.anchor === undefined ? undefined : await moveAnchor(host, options.anchor);
    return {
      view: record({
        coffer: VERSION,
        vault: host.vaultId,
        environments: environments.map(({ name }) => name).join(" "),
        authenticated: host.isAuthenticated ? "yes" : `no: ${NOT_AUTHENTICATED}`,
        anchor: anchored?.told,
      }),
      data: () => ({
        version: VERSION,
        vaultId: host.vaultId,
        environments,
        authenticated: host.isAuthenticated,
        ...(anchored === undefined ? {} : { anchor: anchored.anchor, anchoredBefore: anchored.before }),
      }),
    };
  },
};

/** More than any anchor has. */
const ANCHOR_BYTES_MAX = 64 * 1024;

/** Compares a vault with the anchor in a file, if there is one, and writes the anchor of now. */
async function moveAnchor(
  host: VaultHost,
  path: string,
): Promise<{ anchor: Anchor; before: string | null; told: string }> {
  const { parseAnchor } = await import("../../vault/index.ts");
  // What is no text is no anchor either.
  const text = existsSync(path)
    ? (fromUtf8(await readFile(path, ANCHOR_BYTES_MAX, "the anchor")) ?? "")
    : undefined;
  const before = text === undefined ? undefined : parseAnchor(text);
  const anchor = await host.anchor(before);
  const file = new OutFile(path, { replace: true, keepMode: true });
  await file.write(utf8(`${JSON.stringify(anchor, null, 2)}\n`, "anchor"));
  await file.commit();
  const told = before === undefined ? "written" : `not older than at ${before.madeAt}; written anew`;
  return { anchor, before: before?.madeAt ?? null, told };
}
