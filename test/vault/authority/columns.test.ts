/**
 * Every column of every table, altered by who writes the database without the root key: the vault then answers what it answered
 * before, less, or a refusal that names the row; never anything else. The table below says for each column which of it, and
 * docs/spec/authority.md section 9 says the same: both are held against the tables that there are.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Vault } from "../../../src/index.ts";
import type { VaultHost } from "../../../src/vault/host.ts";
import {
  type AttackedVault,
  type AttackedVaults,
  attackedDatabases,
  attackedFiles,
  type Row,
  type Run,
  type Value,
} from "../../support/attacked-vaults.ts";
import { base64 } from "../../support/bytes.ts";
import { describePostgres } from "../../support/postgres.ts";
import { publicKeyPlain } from "../../support/sealed-plain.ts";
import { TEST_ACTOR } from "../../support/vaults.ts";
import { REPOSITORY_ROOT } from "../../support/vectors.ts";

/** What comes of a column that is altered: nothing else than before, less of it, or a refusal. */
interface Outcome {
  /** There is a refusal that names the row, or what it belongs to. */
  readonly isRefused: boolean;
  /** Questions whose answers are only shown, and may be others. */
  readonly shown: readonly string[];
}

const REFUSED: Outcome = { isRefused: true, shown: [] };
const NOTHING_NEW: Outcome = { isRefused: false, shown: [] };
/** Where things stand in lists is not authenticated; what stands there is. */
const ORDER = NOTHING_NEW;
const shown = (...questions: string[]): Outcome => ({ isRefused: false, shown: questions });

/** By table and column. */
const OUTCOMES: Readonly<Record<string, Readonly<Record<string, Outcome>>>> = {
  environments: { id: REFUSED, name: REFUSED, created_at: REFUSED, generation: REFUSED, mac: REFUSED },
  api_keys: {
    id: REFUSED,
    environment_id: REFUSED,
    name: REFUSED,
    digest: REFUSED,
    permissions: REFUSED,
    constraints: REFUSED,
    created_at: REFUSED,
    revoked_at: REFUSED,
    generation: REFUSED,
    mac: REFUSED,
  },
  webhooks: {
    id: { isRefused: true, shown: ["owed"] }, // A worker takes turns by it; what it then claims is authenticated.
    environment_id: { isRefused: true, shown: ["owed"] },
    url: REFUSED,
    kinds: REFUSED,
    sealed_secret: REFUSED,
    created_at: REFUSED,
    disabled_at: NOTHING_NEW, // One that seems to be removed is not looked at.
    generation: REFUSED,
    mac: REFUSED,
  },
  keks: {
    id: REFUSED,
    environment_id: REFUSED,
    context_name: REFUSED,
    context_value: REFUSED,
    created_at: REFUSED,
    generation: REFUSED,
    mac: REFUSED,
  },
  kek_versions: {
    kek_id: REFUSED,
    version: REFUSED,
    state: REFUSED,
    wrapped: REFUSED,
    created_at: REFUSED,
    destroy_at: REFUSED,
  },
  recipients: {
    id: REFUSED,
    environment_id: REFUSED,
    canonical: REFUSED,
    suite: REFUSED,
    created_at: REFUSED,
    requires_sender: REFUSED,
    generation: REFUSED,
    mac: REFUSED,
  },
  senders: {
    id: REFUSED,
    recipient_id: REFUSED,
    name: REFUSED,
    public_key: REFUSED,
    created_at: REFUSED,
    expires_at: REFUSED,
    revoked_at: REFUSED,
    generation: REFUSED,
    mac: REFUSED,
  },
  recipient_versions: {
    recipient_id: REFUSED,
    version: REFUSED,
    state: REFUSED,
    public_key: REFUSED,
    wrapped: REFUSED,
    created_at: REFUSED,
  },
  kv_objects: {
    sequence: ORDER,
    id: REFUSED,
    environment_id: REFUSED,
    name: REFUSED,
    context_id: REFUSED,
    current_version: REFUSED,
    created_at: REFUSED,
    updated_at: REFUSED,
    deleted_at: REFUSED,
    mac: REFUSED,
  },
  kv_versions: {
    id: { isRefused: true, shown: ["versions"] },
    object_id: REFUSED,
    number: REFUSED,
    key_id: shown("metadata"),
    key_blob: NOTHING_NEW,
    sealed: NOTHING_NEW,
    size: shown("versions"),
    etag: shown("versions"),
    created_at: shown("versions", "metadata", "value"),
    created_by_id: shown("metadata", "value"),
    created_by_name: shown("metadata", "value"),
    generation: REFUSED,
    key_label: REFUSED,
    mac: NOTHING_NEW,
  },
  contexts: { id: NOTHING_NEW, environment_id: NOTHING_NEW, canonical: REFUSED, created_at: NOTHING_NEW },
  context_keks: { context_id: NOTHING_NEW, kek_id: NOTHING_NEW },
  kv_version_keks: {
    version_id: shown("keks"),
    kek_id: shown("keks"),
    kek_version: shown("keks"),
  },
  events: {
    sequence: ORDER,
    id: REFUSED,
    environment_id: REFUSED,
    kind: REFUSED,
    data: REFUSED,
    created_at: REFUSED,
    write_id: ORDER,
    generation: REFUSED,
    mac: REFUSED,
  },
  webhook_deliveries: {
    sequence: NOTHING_NEW,
    webhook_id: shown("owed"),
    event_id: NOTHING_NEW,
    state: shown("owed", "dead"),
    attempts: shown("dead"),
    due_at: shown("owed"),
    last_error: shown("dead"),
  },
  idempotent_answers: {
    environment_id: NOTHING_NEW,
    idempotency_key: NOTHING_NEW,
    request_hash: NOTHING_NEW,
    answer: NOTHING_NEW,
    created_at: NOTHING_NEW,
  },
  meta: { name: REFUSED, value: REFUSED },
  counters: { name: NOTHING_NEW, value: NOTHING_NEW },
  vault_keys: { purpose: REFUSED, version: REFUSED, wrapped: REFUSED, created_at: NOTHING_NEW },
  authority_log: { generation: REFUSED, kind: REFUSED, subject: REFUSED, at: REFUSED, mac: REFUSED },
};

/** The table in PostgreSQL that says its version; SQLite has a number in the file's head for it. */
const VERSION_TABLE: typeof OUTCOMES = { coffer_schema: { version: NOTHING_NEW } };

/** How refusals name what has no id. */
const WORDS: Readonly<Record<string, readonly string[]>> = {
  meta: ["the log of changes", "the vault's identity", "the root key"],
  vault_keys: ["the vault key"],
  authority_log: ["the log of changes"],
  contexts: ["the object "],
};

/** Codes of refusals. */
const CODES: ReadonlySet<string> = new Set([
  "ERR_STORAGE_CORRUPT",
  "ERR_STORAGE_SCHEMA",
  "ERR_ROOT_KEY_WRONG",
  "ERR_DECRYPT_FAILED",
  "ERR_KEY_BLOB_MALFORMED",
  "ERR_KEY_NOT_FOUND",
  "ERR_KEY_DISABLED",
  "ERR_KV_NOT_FOUND",
  // The same request once more, when its answer is not found.
  "ERR_KV_EXISTS",
  "ERR_IDEMPOTENCY_CONFLICT",
  "ERR_CURSOR_INVALID",
]);

const SECRETS = /org_|hooks\.example|value of|sk_|whsec_|plaintext/;

interface Filled {
  readonly environments: readonly string[];
  readonly apiKeys: readonly string[];
  readonly texts: readonly { readonly environment: string; readonly text: string }[];
  readonly objects: readonly { readonly environment: string; readonly id: string }[];
  readonly recipients: readonly { readonly environment: string; readonly id: string }[];
}

const vaultOf = (host: VaultHost, environment: string): Vault => {
  const { keys, kv, keks } = host.session(environment, { actor: TEST_ACTOR });
  return new Vault({ keys, kv, keks });
};

async function fill(host: VaultHost): Promise<Filled> {
  const environments: string[] = [];
  const apiKeys: string[] = [];
  const texts: { environment: string; text: string }[] = [];
  const objects: { environment: string; id: string }[] = [];
  const recipients: { environment: string; id: string }[] = [];
  for (const name of ["default", "other"]) {
    const environment = (await host.environment(name)).id;
    environments.push(environment);
    await host.webhooks.create(environment, { url: `https://hooks.example/${name}` });
    const vault = vaultOf(host, environment);
    for (const value of ["org_a", "org_b", "org_c"]) {
      const context = { organization_id: value };
      texts.push({ environment, text: await vault.encrypt(`plaintext of ${value}`, context) });
      // Names of their own: rows may then be moved.
      const { id } = await vault.createKv({
        name: `${name} ${value}`,
        value: `value of ${value}`,
        keyContext: context,
      });
      objects.push({ environment, id });
      if (value === "org_a") await vault.updateKv({ id, value: "value of now" });
    }
    const kek = (value: string) => ({ name: "organization_id", value });
    const session = host.session(environment, { actor: TEST_ACTOR });
    const { id } = await session.recipients.create({ context: { organization_id: "org_a" } });
    await session.recipients.rotate({ id });
    const publicKey = base64(publicKeyPlain("ed25519", new Uint8Array(32).fill(recipients.length + 1)));
    const sender = await session.recipients.senders.add({
      recipientId: id,
      name: environment,
      publicKey,
      expiresAt: new Date("2100-01-01T00:00:00.000Z"),
    });
    await session.recipients.senders.revoke({ recipientId: id, id: sender.id });
    recipients.push({ environment, id });
    await vault.keks!.rotate(kek("org_a"));
    await vault.keks!.disable(kek("org_b"));
    await vault.keks!.shred(kek("org_c"), { delayMs: 100_000_000 });
    await vault.deleteKv({ id: objects.at(-1)!.id });
    for (const constraints of [{ organization_id: "org_a" }, undefined]) {
      const permissions = ["decrypt", "kv:read"] as const;
      apiKeys.push((await host.apiKeys.create(environment, { name: "k", permissions, constraints })).key);
    }
    objects.push({ environment, id: (await once(host, environment)).id });
  }
  return { environments, apiKeys, texts, objects, recipients };
}

/** A request that may be repeated. */
function once(host: VaultHost, environment: string): Promise<{ readonly id: string }> {
  const idempotency = host.writes.identify(
    { environmentId: environment, id: "caller" },
    "key",
    new Uint8Array(1),
  );
  const { kv } = host.session(environment, { actor: TEST_ACTOR });
  const keyContext = { organization_id: "org_a" };
  return kv.createKv({ name: `once in ${environment}`, value: "value of once", keyContext }, { idempotency });
}

/** What a vault answers to a question: rows, or why not. */
type Answer = readonly string[] | Refusal;

interface Refusal {
  readonly code: string;
  readonly message: string;
}

/** Asks a vault everything that changes nothing. */
async function survey(host: VaultHost, filled: Filled): Promise<Map<string, Answer>> {
  const answers = new Map<string, Answer>();
  const ask = async (question: string, work: () => Promise<unknown>): Promise<void> => {
    try {
      const answer = await work();
      answers.set(
        question,
        (Array.isArray(answer) ? answer : [answer]).map((row) => JSON.stringify(row)),
      );
    } catch (error) {
      const { code, message } = error as { code?: string; message: string };
      answers.set(question, { code: code ?? "none", message });
    }
  };
  await ask("environments", () => host.listEnvironments());
  await ask("owed", () => host.webhooks.owed());
  for (const [i, key] of filled.apiKeys.entries()) {
    await ask(`caller ${i}`, async () => {
      const caller = await host.callers("changes").authenticate(key);
      return caller === undefined ? [] : caller.apiKey;
    });
  }
  for (const environment of filled.environments) {
    const of = (what: string): string => `${what} in ${environment}`;
    const vault = vaultOf(host, environment);
    await ask(of("API keys"), () => host.apiKeys.list(environment));
    await ask(of("webhooks"), () => host.webhooks.list(environment));
    await ask(of("dead"), () => host.webhooks.dead(environment));
    await ask(of("events"), async () => (await host.events.list(environment, { limit: 100 })).data);
    await ask(of("keks"), async () => (await vault.keks!.list()).data);
    const session = host.session(environment, { actor: TEST_ACTOR });
    await ask(of("recipients"), async () => (await session.recipients.list()).data);
    for (const deleted of [false, true]) {
      await ask(of(`objects, deleted ${deleted}`), async () => (await session.kv.listKv({ deleted })).data);
    }
  }
  for (const { environment, id } of filled.recipients) {
    const session = host.session(environment, { actor: TEST_ACTOR });
    // Each document has a time and a signature of its own.
    await ask(`document in ${environment}`, async () => (await session.recipients.document({ id })).id);
    const senders = () => session.recipients.senders.list({ recipientId: id });
    await ask(`senders in ${environment}`, async () => (await senders()).data);
  }
  for (const [i, { environment, text }] of filled.texts.entries()) {
    await ask(`text ${i}`, () => vaultOf(host, environment).decrypt(text));
  }
  for (const [i, { environment, id }] of filled.objects.entries()) {
    const { kv } = host.session(environment, { actor: TEST_ACTOR });
    await ask(`value ${i}`, () => kv.getKv({ id }));
    await ask(`metadata ${i}`, () => kv.listKvMetadata({ id }));
    await ask(`versions ${i}`, async () => (await kv.listKvVersions({ id })).data);
  }
  for (const environment of filled.environments)
    await ask(`once in ${environment}`, () => once(host, environment));
  return answers;
}

/** Answers that are neither as they were, nor less, nor a refusal. */
function problems(before: Map<string, Answer>, now: Map<string, Answer>, outcome: Outcome): string[] {
  const found: string[] = [];
  for (const [question, answer] of now) {
    const old = before.get(question) ?? [];
    if (isRefusal(answer)) {
      const isSame = isRefusal(old) && old.code === answer.code;
      if (!isSame && !CODES.has(answer.code)) found.push(`${question}: ${answer.code} ${answer.message}`);
      if (!isSame && SECRETS.test(answer.message)) found.push(`${question}: tells ${answer.message}`);
    } else if (!outcome.shown.some((one) => question.startsWith(one))) {
      const added = isRefusal(old) ? answer : answer.filter((row) => !old.includes(row));
      if (added.length > 0) found.push(`${question}: ${added.join(" ")}`);
    }
  }
  return found;
}

const isRefusal = (answer: Answer): answer is Refusal => !Array.isArray(answer);

/** Values that a column does not have: those of other rows, and others of its type. */
function otherValues(value: Value, others: readonly Value[]): Value[] {
  const found = others.filter((other) => !isSame(other, value)).slice(-1);
  if (typeof value === "number") return [...found, value === 1 ? 0 : 1, value + 1];
  if (typeof value === "string") return [...found, `${value}x`, ""];
  if (value instanceof Uint8Array) return [...found, flipped(value), new Uint8Array(0)];
  return [...found, 5, "x", new Uint8Array(36)];
}

const isSame = (one: Value, other: Value): boolean =>
  one instanceof Uint8Array && other instanceof Uint8Array ? Buffer.compare(one, other) === 0 : one === other;

function flipped(bytes: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(bytes);
  copy[copy.length - 1]! ^= 1;
  return copy;
}

/** Changes a column of a row. */
async function set(run: Run, table: string, row: Row, column: string, value: Value): Promise<void> {
  const where = Object.keys(row).map((name) => `${name} ${row[name] === null ? "IS NULL" : "= ?"}`);
  const is = Object.values(row).filter((known) => known !== null);
  await run(`UPDATE ${table} SET ${column} = ? WHERE ${where.join(" AND ")}`, value, ...is);
}

/** How much is tried: a survey of a database takes its time. */
interface Effort {
  /** All values, the first also on a host that is opened afterwards; otherwise one value, and whether it opens. */
  readonly isThorough: boolean;
}

function suite(vaults: AttackedVaults, effort: Effort): void {
  let filled: Filled;
  let tables: Record<string, string[]>;
  /** One vault for all: each attack is taken back. */
  let vault: AttackedVault;
  let before: Map<string, Answer>;
  beforeAll(async () => {
    filled = await vaults.prepare(async (host, run) => {
      tables = {};
      for (const { table, column } of await vaults.columns(run)) {
        const known = tables[table] ?? [];
        known.push(column);
        tables[table] = known;
      }
      return fill(host);
    });
    vault = await vaults.open();
    const [first] = await surveys();
    before = first!;
  });
  afterAll(async () => {
    await vault.host.close();
    await vaults.cleanUp();
  });

  /** What a host that runs, and one that is opened now, answer. */
  async function surveys(isFirst = true) {
    const { host, run, reopen } = vault;
    // As a change of coffer's own would: the host that runs looks afresh.
    await run("UPDATE counters SET value = value + 1");
    const running = await survey(host, filled);
    const isSeen = [...running.values()].some(
      (answer) => isRefusal(answer) && answer.code === "ERR_STORAGE_CORRUPT",
    );
    if (!isFirst || (isSeen && !effort.isThorough)) return [running];
    try {
      const fresh = await reopen();
      try {
        return effort.isThorough ? [running, await survey(fresh, filled)] : [running];
      } finally {
        await fresh.close();
      }
    } catch (error) {
      const { code, message } = error as { code: string; message: string };
      return [running, new Map<string, Answer>([["open", { code, message }]])];
    }
  }

  test("the table above has every column of every table", () => {
    const versions: typeof OUTCOMES = "coffer_schema" in tables ? VERSION_TABLE : {};
    const named = Object.fromEntries(
      Object.entries({ ...OUTCOMES, ...versions }).map(([table, columns]) => [
        table,
        Object.keys(columns).sort(),
      ]),
    );
    const stored = Object.fromEntries(Object.entries(tables).map(([table, names]) => [table, names.sort()]));
    expect(named).toEqual(stored);
  });

  test("what was not attacked answers what it answered", async () => {
    const [running, fresh] = await surveys();
    expect(running).toEqual(before);
    if (effort.isThorough) expect(fresh).toEqual(before);
    const refused = [...before].filter(([, answer]) => isRefusal(answer)).map(([question]) => question);
    // Of disabled KEKs, those about to be destroyed, and deleted objects.
    expect(refused.every((question) => /^(text|value|metadata|versions) \d$/.test(question))).toBe(true);
    expect(before.get("value 0")).toEqual([expect.stringContaining("value of now")]);
  });

  test.each(Object.keys(OUTCOMES))("[AUT-6] [AUT-9] [AUT-24] every column of %s", async (table) => {
    const { run } = vault;
    const all = await run(`SELECT * FROM ${table}`);
    // The last one is always something that is current. Others are like it, and a survey takes its time.
    const some = all.slice(-1);
    for (const [column, outcome] of Object.entries(OUTCOMES[table]!)) {
      const refusals: string[] = [];
      const names = new Set<string>(WORDS[table] ?? []);
      for (const row of some) {
        const others = all.map((other) => other[column]!);
        let isAltered = false;
        for (const value of otherValues(row[column]!, others)) {
          if (isAltered && !effort.isThorough) break;
          const changed = { ...row, [column]: value };
          // What constraints do not let be is not there.
          const isDone = await set(run, table, row, column, value).then(
            () => true,
            () => false,
          );
          if (!isDone) continue;
          for (const name of ["id", "kek_id", "object_id", "recipient_id"]) {
            for (const id of [row[name], changed[name]])
              if (typeof id === "string" && id !== "") names.add(id);
          }
          const what = `${column} of ${JSON.stringify(row.id ?? row.name ?? row.kek_id ?? row.purpose)} = ${String(value)}`;
          for (const now of await surveys(!isAltered)) {
            expect(problems(before, now, outcome), what).toEqual([]);
            for (const answer of now.values()) if (isRefusal(answer)) refusals.push(answer.message);
          }
          isAltered = true;
          await set(run, table, changed, column, row[column]!);
        }
      }
      const isNamed = refusals.some((message) => [...names].some((name) => message.includes(name)));
      if (outcome.isRefused) expect(isNamed, column).toBe(true);
    }
  });
}

test("docs/spec/authority.md section 9 says of every table and column what authenticates it, or that nothing does", () => {
  const page = readFileSync(join(REPOSITORY_ROOT, "docs/spec/authority.md"), "utf8");
  const section = page.slice(page.indexOf("\n## 9."), page.indexOf("\n## 10."));
  const rows = section.split("\n").filter((line) => /^\| `/.test(line));
  const said = new Map<string, string>();
  for (const row of rows) {
    const [, tables, text] = row.split("|");
    for (const [, table] of tables!.matchAll(/`([a-z_]+)`/g)) said.set(table!, text!.trim());
  }
  const isSaid = (text: string, column: string): boolean =>
    text.startsWith("all columns") ||
    text.startsWith("not:") ||
    text.startsWith("not ") ||
    text.includes(`\`${column}\``);
  for (const [table, columns] of Object.entries({ ...OUTCOMES, ...VERSION_TABLE })) {
    const text = said.get(table);
    expect(text, table).toBeDefined();
    if (table === "meta") continue; // Said by the names of its rows.
    for (const column of Object.keys(columns)) expect(isSaid(text!, column), `${table}.${column}`).toBe(true);
  }
});

describe("SQLite", () => suite(attackedFiles(), { isThorough: true }));

describePostgres("PostgreSQL", () => suite(attackedDatabases(), { isThorough: false }));
