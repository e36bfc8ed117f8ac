/** `coffer server --workers`: several processes on one port and one vault. */
import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { Vault } from "../../src/facade/vault.ts";
import { type Started, type Workplace, workplace } from "../support/cli.ts";
import { describePostgres, emptyDatabaseUrl } from "../support/postgres.ts";

const KEY_NAME = "workers";

/** Processes that this one has started, by what the kernel says. */
function childrenOf(pid: number): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((one) => {
      try {
        const stat = readFileSync(`/proc/${one}/stat`, "utf8");
        return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]) === pid;
      } catch {
        return false; // It has ended meanwhile.
      }
    });
}

async function until<T>(look: () => T | undefined | false, what: string): Promise<T> {
  for (let i = 0; i < 600; i++) {
    const seen = look();
    if (seen !== undefined && seen !== false) return seen;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`it does not come: ${what}`);
}

interface Serving {
  readonly started: Started;
  readonly url: string;
  readonly err: () => string;
}

async function serve(
  work: Workplace,
  args: readonly string[],
  env?: Record<string, string>,
): Promise<Serving> {
  const started = work.start(["server", "--port", "0", ...args], { ...(env && { env }) });
  let [out, err] = ["", ""];
  started.child.stdout.on("data", (part) => {
    out += part;
  });
  started.child.stderr.on("data", (part) => {
    err += part;
  });
  const url = await until(() => /listening on (\S+)\n/.exec(out)?.[1], `a server that listens: ${err}`);
  return { started, url, err: () => err };
}

async function apiKey(work: Workplace, options: { env?: Record<string, string> } = {}): Promise<string> {
  const permissions = ["encrypt", "decrypt", "kv:read", "kv:write"].flatMap((one) => ["--permission", one]);
  return (await work.json(["api-keys", "create", KEY_NAME, ...permissions], options)).key;
}

/** Asks on connections of their own, so that the requests reach all processes. */
async function ask(url: string, path: string, key?: string): Promise<Response> {
  const authorization = key === undefined ? {} : { authorization: `Bearer ${key}` };
  return fetch(url + path, { headers: { connection: "close", ...authorization } });
}

test("all serve the same vault; one that is killed is replaced; SIGTERM ends all after what is under way", async () => {
  const work = workplace();
  const key = await apiKey(work);
  const { started, url, err } = await serve(work, ["--workers", "3"]);
  const pid = started.child.pid!;
  expect(childrenOf(pid)).toHaveLength(3);

  const vault = new Vault({ apiKey: key, baseUrl: url });
  await Promise.all(
    Array.from({ length: 30 }, (_, i) =>
      vault.createKv({ name: `n${i}`, value: `v${i}`, keyContext: { organization_id: `org_${i % 3}` } }),
    ),
  );
  const stored = await Promise.all(Array.from({ length: 30 }, (_, i) => vault.getName({ name: `n${i}` })));
  expect(stored.map(({ value }) => value)).toEqual(Array.from({ length: 30 }, (_, i) => `v${i}`));

  for (let i = 0; i < 30; i++) expect((await ask(url, "/healthz")).status).toBe(200);
  const metrics = await (await ask(url, "/metrics")).text();
  const counts = [...metrics.matchAll(/duration_seconds_count\{.*route="(.*?)".*\} (\d+)/g)];
  expect(Object.fromEntries(counts.map(([, route, n]) => [route, Number(n)]))).toMatchObject({
    "/healthz": 30,
    "/coffer/v1/kv": 30,
    "/vault/v1/kv/name/{name}": 30,
  });

  const [victim] = childrenOf(pid);
  process.kill(victim!, "SIGKILL");
  await until(
    () => err().includes("a process that served has ended (SIGKILL)"),
    "word of the killed process",
  );
  await until(() => childrenOf(pid).length === 3 && !childrenOf(pid).includes(victim!), "another process");
  for (let i = 0; i < 10; i++) expect((await ask(url, "/healthz")).status).toBe(200);

  // As a terminal does it: all of them get it.
  const members = childrenOf(pid);
  for (const member of members) process.kill(member, "SIGINT");
  process.kill(pid, "SIGINT");
  const ran = await started.ended;
  expect(ran.code).toBe(0);
  for (const member of members) expect(() => process.kill(member, 0)).toThrow("ESRCH");
  await vault.close();
});

test("the rate limit is that of the server, not of each process", async () => {
  const work = workplace();
  const key = await apiKey(work);
  const { started, url } = await serve(work, ["--workers", "2", "--rate-limit", "20", "--log", "none"]);
  const statuses: number[] = [];
  for (let i = 0; i < 40; i++) statuses.push((await ask(url, "/vault/v1/kv", key)).status);
  const taken = statuses.filter((status) => status === 200).length;
  // 20 at once, and one each 3 s while the test runs.
  expect(taken).toBeGreaterThanOrEqual(20);
  expect(taken).toBeLessThan(36);
  expect(statuses.filter((status) => status === 429).length).toBe(40 - taken);
  started.child.kill("SIGTERM");
  expect((await started.ended).code).toBe(0);
});

test("a process whose head is killed ends as well", async () => {
  const work = workplace();
  await apiKey(work);
  const { started } = await serve(work, ["--workers", "2"]);
  const members = childrenOf(started.child.pid!);
  started.child.kill("SIGKILL");
  await started.ended;
  for (const member of members) await until(() => !isAlive(member), "the end of a process");
});

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

test("what is wrong is said once, and nothing stays", async () => {
  const work = workplace();
  expect(await work.run(["server", "--workers", "2"])).toMatchObject({
    code: 2,
    err: expect.stringContaining("ERR_VAULT_NOT_FOUND"),
  });
  await apiKey(work);
  const { started, url } = await serve(work, ["--log", "none"]);
  const { code, err } = await work.run(["server", "--workers", "3", "--port", new URL(url).port]);
  expect(code).not.toBe(0);
  expect(err.match(/cannot listen on this address/g)).toHaveLength(1);
  started.child.kill("SIGTERM");
  expect((await started.ended).code).toBe(0);
  expect(await work.run(["server", "--dev", "--workers", "2"])).toMatchObject({
    code: 1,
    err: expect.stringContaining("one process"),
  });
});

describePostgres("on PostgreSQL", () => {
  test("the same", async () => {
    const work = workplace();
    const env = {
      COFFER_VAULT: "",
      COFFER_DATABASE: await emptyDatabaseUrl(),
      COFFER_ROOT_KEY: Buffer.alloc(32, 7).toString("base64"),
    };
    await work.out(["migrate"], { env });
    const key = await apiKey(work, { env });
    const { started, url } = await serve(work, ["--workers", "2"], env);
    const vault = new Vault({ apiKey: key, baseUrl: url });
    const texts = Array.from({ length: 20 }, (_, i) => `text ${i}`);
    const sealed = await Promise.all(texts.map((text, i) => vault.encrypt(text, { org: `${i % 2}` })));
    expect(await Promise.all(sealed.map((one) => vault.decrypt(one)))).toEqual(texts);
    await vault.close();
    started.child.kill("SIGTERM");
    expect((await started.ended).code).toBe(0);
  });
});
