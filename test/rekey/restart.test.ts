/** A database that crashes under a job, and starts again: the run waits for it, and no page is lost or written twice. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import pg from "pg";
import { expect, test } from "vitest";
import { inspect } from "../../src/crypto/envelope/inspect.ts";
import { Vault } from "../../src/index.ts";
import { RekeyJob } from "../../src/rekey/index.ts";
import { postgresTable } from "../../src/sources/index.ts";
import { crash, urlOf } from "../soak/cluster-faults.ts";
import { hasPostgres, ownerOf, serve, start, stop, WHY_NOT } from "../support/postgres-cluster.ts";
import { openTestHost, sessionOf } from "../support/vaults.ts";

const CONTEXT = { organization_id: "org_1" };
const ROWS = 1_500;

test("[JOB-7] [JOB-14] a run goes on when its database has crashed and is back", async (context) => {
  context.skip(!hasPostgres, WHY_NOT);
  const host = await openTestHost();
  const { keys, kv, keks } = await sessionOf(host);
  const vault = new Vault({ keys, kv, keks, cache: { maxAgeMs: 0 } });
  let cluster = await start();
  const { port, directory } = cluster;
  const pool = new pg.Pool({ connectionString: urlOf(port) });
  pool.on("error", () => {});
  try {
    await pool.query("CREATE TABLE secrets (id integer PRIMARY KEY, body text NOT NULL)");
    const texts = await Promise.all(Array.from({ length: ROWS }, (_, i) => vault.encrypt(`${i}`, CONTEXT)));
    await pool.query("INSERT INTO secrets SELECT * FROM unnest($1::int[], $2::text[])", [
      texts.map((_, i) => i),
      texts,
    ]);
    await keks.rotate({ name: "organization_id", value: "org_1" });
    let isBack: Promise<unknown> | undefined;
    const restart = async (): Promise<void> => {
      await crash(cluster);
      cluster = await serve(join(directory, "data"), directory, ownerOf(directory), { port });
    };
    const source = postgresTable({ pool, table: "secrets", columns: ["body"] });
    const report = await new RekeyJob({ keys: vault.keys, source, mode: "rewrap" }).run({
      pageRows: 200,
      leaseMs: 500,
      onProgress: ({ counts }) => {
        if (counts.rows >= ROWS / 3) isBack ??= restart();
      },
    });
    await isBack;
    expect(isBack).toBeDefined();
    expect(report).toMatchObject({ isComplete: true, leftBehind: 0, counts: { rows: ROWS, moved: ROWS } });
    const { rows } = await pool.query("SELECT body FROM secrets ORDER BY id");
    expect(new Set(rows.map(({ body }) => inspect(body).keyBlob.keks[0]!.version))).toEqual(new Set([2]));
    expect(await vault.decrypt(rows[ROWS - 1].body)).toBe(`${ROWS - 1}`);

    // And a run that begins while the database is away.
    await keks.rotate({ name: "organization_id", value: "org_1" });
    await crash(cluster);
    const waits: string[] = [];
    const late = await new RekeyJob({ keys: vault.keys, source, mode: "rewrap" }).run({
      onWait: ({ error }) => {
        if (waits.push(error.code) === 1)
          isBack = serve(join(directory, "data"), directory, ownerOf(directory), { port }).then((back) => {
            cluster = back;
          });
      },
    });
    await isBack;
    expect(waits[0]).toBe("ERR_STORAGE_UNAVAILABLE");
    expect(late).toMatchObject({ isComplete: true, leftBehind: 0, counts: { rows: ROWS, moved: ROWS } });
  } finally {
    await pool.end();
    await stop(cluster.process);
    rmSync(directory, { recursive: true, force: true });
    await host.close();
  }
});
