/**
 * `coffer kv get`, `list`, `versions` and `metadata`: what reads the store.
 *
 * @module
 */
import { Option } from "commander";
import type { KvPage, KvSummary } from "../../kv/kv-service.ts";
import { KV_LIST_LIMIT_DEFAULT, KV_LIST_LIMIT_MAX } from "../../kv/rules.ts";
import { type Action, option, type Verb } from "../command.ts";
import { choiceParser, countParser } from "../input/arguments.ts";
import {
  checkNamed,
  findLive,
  ID_OPTION,
  liveId,
  NAME_ARGUMENT,
  type ObjectOptions,
} from "../input/find-object.ts";
import { record, table, valueView } from "../output/format.ts";

interface GetOptions extends ObjectOptions {
  readonly version?: string;
}

interface ListOptions {
  readonly limit?: number;
  readonly after?: string;
  readonly search?: string;
  readonly deleted?: boolean;
  readonly all?: boolean;
  readonly order?: "asc" | "desc";
}

const get: Action<GetOptions> = async (run, options, name) => {
  checkNamed(name, options);
  const vault = await run.open();
  const { signal } = run;
  const object =
    name !== undefined && options.version === undefined
      ? await vault.getName({ name }, { signal })
      : await vault.getKv(
          { id: await liveId(vault, name, options, signal), versionId: options.version },
          { signal },
        );
  return { view: valueView(object.value), data: () => object };
};

/** `coffer kv get`. */
export const KV_GET: Verb = {
  name: "get",
  summary: "print a value",
  description: "Prints a stored value, exactly as it was given; on a terminal a line break follows.",
  arguments: [NAME_ARGUMENT],
  options: [ID_OPTION, option("--version <id>", "an old version (see coffer kv versions)")],
  help: `
Examples:
  $ coffer kv get db-password --vault vault.db
  $ coffer kv get db-password --vault vault.db --version VERSION-ID
  $ coffer kv get db-password --vault vault.db --format json
`,
  run: get,
};

const list: Action<ListOptions> = async (run, options) => {
  const { after, search, deleted, order } = options;
  const vault = await run.open();
  const limit = options.all === true ? KV_LIST_LIMIT_MAX : options.limit;
  const listing = vault.listKv({ after, search, deleted, order, limit }, { signal: run.signal });
  let page: KvPage<KvSummary>;
  if (options.all === true) {
    const data: KvSummary[] = [];
    for await (const summary of listing) data.push(summary);
    page = { data, listMetadata: { before: null, after: null } };
  } else {
    page = await listing;
  }
  const next = page.listMetadata.after;
  // A script that takes a page for the whole list would miss objects silently.
  if (next !== null && run.format === "table" && run.flags.field === undefined) {
    await run.note(`there are more: go on with --after ${next}, or use --all`);
  }
  return {
    view: table(
      ["NAME", "ID", "UPDATED"],
      page.data.map(({ name, id, updatedAt }) => [name, id, updatedAt]),
    ),
    data: () => page,
  };
};

/** `coffer kv list`. */
export const KV_LIST: Verb = {
  name: "list",
  summary: "list objects",
  description: "Lists objects by name and id, the newest first; values are not read.",
  options: [
    option(
      "--limit <n>",
      `objects on a page: 1 to ${KV_LIST_LIMIT_MAX}, default ${KV_LIST_LIMIT_DEFAULT}`,
      countParser("limit", KV_LIST_LIMIT_MAX),
    ),
    option("--after <id>", "go on after this object, the last one of the page before"),
    option("--search <text>", "only names that hold this text"),
    option("--deleted", "list deleted objects instead of live ones"),
    new Option("--all", "every page").conflicts("limit"),
    option(
      "--order <order>",
      "by creation: asc or desc (the default)",
      choiceParser("order", ["asc", "desc"]),
    ),
  ],
  help: `
Examples:
  $ coffer kv list --vault vault.db --limit 50
  $ coffer kv list --vault vault.db --search password --all --format json
  $ coffer kv list --vault vault.db --deleted
`,
  run: list,
};

const versions: Action<ObjectOptions> = async (run, options, name) => {
  checkNamed(name, options);
  const vault = await run.open();
  const { signal } = run;
  const id = await liveId(vault, name, options, signal);
  const page = await vault.listKvVersions({ id }, { signal });
  return {
    view: table(
      ["VERSION", "CREATED", "STATE", "BYTES"],
      page.data.map((version) => [
        version.id,
        version.createdAt,
        [version.currentVersion ? "current" : "old", ...(version.isDestroyed ? ["destroyed"] : [])].join(
          ", ",
        ),
        String(version.size),
      ]),
    ),
    data: () => page,
  };
};

/** `coffer kv versions`. */
export const KV_VERSIONS: Verb = {
  name: "versions",
  summary: "list the versions of an object",
  description: "Lists the versions of an object, the newest first. Sizes are of what is stored, encrypted.",
  arguments: [NAME_ARGUMENT],
  options: [ID_OPTION],
  help: "\nExamples:\n  $ coffer kv versions db-password --vault vault.db\n",
  run: versions,
};

const metadata: Action<ObjectOptions> = async (run, options, name) => {
  checkNamed(name, options);
  const vault = await run.open();
  const { signal } = run;
  const object =
    name === undefined
      ? await vault.listKvMetadata({ id: options.id! }, { signal })
      : await findLive(vault, name, signal);
  const known = object.metadata;
  return {
    view: record([
      ["name", object.name],
      ["id", object.id],
      ["version", known.versionId],
      ["updated", known.updatedAt],
      ["updated by", known.updatedBy.name],
      ["environment", known.environmentId],
      ["data key", known.keyId],
      ...Object.entries(known.context).map(
        ([entry, value]) => ["context", `${entry}=${value}`] as [string, string],
      ),
    ]),
    data: () => object,
  };
};

/** `coffer kv metadata`. */
export const KV_METADATA: Verb = {
  name: "metadata",
  summary: "show an object without its value",
  description: "Shows an object without its value, which is not printed.",
  arguments: [NAME_ARGUMENT],
  options: [ID_OPTION],
  help: `
Examples:
  $ coffer kv metadata db-password --vault vault.db
  $ coffer kv metadata db-password --vault vault.db --field metadata.versionId
`,
  run: metadata,
};
