/** A server that is killed under load loses nothing that it has acknowledged (docs/spec/key-service-api.md, API-16). */
import { describe, expect, test } from "vitest";
import { describePostgres, freshDatabaseUrl } from "../support/postgres.ts";
import type { Answer } from "../support/server.ts";
import { startServerProcess } from "../support/server-process.ts";
import { freshPath, ROOT_KEY } from "../support/vaults.ts";

const CONTEXT = { organization_id: "org_1" };
const WORKERS = 8;
/** As many acknowledged writes before each kill. */
const WRITES_MIN = 40;
const ROUNDS = 2;

async function ask(
  url: string,
  key: string,
  method: string,
  path: string,
  body?: unknown,
): Promise<Pick<Answer, "status" | "body">> {
  const response = await fetch(url + path, {
    method,
    headers: {
      authorization: `Bearer ${key}`,
      ...(body === undefined ? {} : { "content-type": "application/json" }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: await response.json() };
}

async function killUnderLoad(where: string): Promise<void> {
  /** What was acknowledged: the last value of each name, and data keys by their wrapped form. */
  const values = new Map<string, string>();
  const dataKeys = new Map<string, string>();
  /** Values that were sent and never answered: they may be there instead. */
  const unanswered = new Map<string, string>();
  const deleted = new Set<string>();
  for (let round = 0; round < ROUNDS; round++) {
    const server = await startServerProcess(where, ROOT_KEY);
    const { url, key } = server;
    let writes = 0;
    let isDead = false;
    const enough = Promise.withResolvers<void>();
    const work = async (worker: number): Promise<void> => {
      for (let i = 0; !isDead; i++) {
        const name = `r${round}-w${worker}-${i}`;
        try {
          const made = await ask(url, key, "POST", "/vault/v1/keys/data-key", { context: CONTEXT });
          expect(made.status).toBe(200);
          dataKeys.set(made.body.encrypted_keys, made.body.data_key);
          const created = await ask(url, key, "POST", "/vault/v1/kv", {
            name,
            value: "1",
            key_context: CONTEXT,
          });
          expect(created.status).toBe(201);
          values.set(name, "1");
          unanswered.set(name, "2");
          const at = `/vault/v1/kv/${created.body.id}`;
          const check = { value: "2", version_check: created.body.version_id };
          expect((await ask(url, key, "PUT", at, check)).status).toBe(201);
          values.set(name, "2");
          unanswered.delete(name);
          if (i % 3 === 0) {
            unanswered.set(name, "");
            expect((await ask(url, key, "DELETE", at)).status).toBe(200);
            unanswered.delete(name);
            values.delete(name);
            deleted.add(name);
          }
          writes += 1;
          if (writes >= WRITES_MIN) enough.resolve();
        } catch (error) {
          if (!isDead) throw error;
        }
      }
    };
    const workers = Array.from({ length: WORKERS }, (_, worker) => work(worker));
    await Promise.race([enough.promise, ...workers]);
    isDead = true;
    await server.kill();
    await Promise.all(workers);
  }
  const server = await startServerProcess(where, ROOT_KEY);
  const { url, key } = server;
  for (const [name, value] of values) {
    const { status, body } = await ask(url, key, "GET", `/vault/v1/kv/name/${name}`);
    const isDeleted = status === 404;
    const found = isDeleted ? "" : body.value;
    expect([name, [value, unanswered.get(name)].includes(found)]).toEqual([name, true]);
  }
  for (const name of deleted) {
    expect((await ask(url, key, "GET", `/vault/v1/kv/name/${name}`)).status).toBe(404);
  }
  for (const [keys, dataKey] of [...dataKeys].slice(-50)) {
    expect((await ask(url, key, "POST", "/vault/v1/keys/decrypt", { keys })).body.data_key).toBe(dataKey);
  }
  expect(values.size + deleted.size).toBeGreaterThanOrEqual(ROUNDS * WRITES_MIN);
  await server.kill();
}

describe("on SQLite", () => {
  test("[API-16] killed under load", { timeout: 60_000 }, () => killUnderLoad(freshPath()));
});
describePostgres("on PostgreSQL", () => {
  test("[API-16] killed under load", { timeout: 60_000 }, async () =>
    killUnderLoad(await freshDatabaseUrl()),
  );
});
