/**
 * A process that works on the demo's job until it is done or killed.
 *
 *     node examples/rekey-demo/worker.ts VAULT DATABASE LEASE_MS
 *
 * Says on its standard output how many rows are done, a line for each page.
 *
 * @module
 */
import { writeSync } from "node:fs";
import { RekeyJob } from "../../src/rekey/index.ts";
import { postgresTable, sqliteTable } from "../../src/sources/index.ts";
import { openVault } from "../../src/vault/index.ts";
import { COLUMN, TABLE } from "./application.ts";

const [vaultPath, target, leaseMs] = process.argv.slice(2) as [string, string, string];
const vault = await openVault({ path: vaultPath, onNotice: () => {} });
const { source, close } = await open();
const job = new RekeyJob({ keys: vault.keys, source, mode: "rewrap" });
await job.run({
  leaseMs: Number(leaseMs),
  onProgress: ({ counts }) => writeSync(1, `${counts.rows}\n`),
});
await close();
await vault.close();

async function open() {
  const table = { table: TABLE, columns: [COLUMN] };
  if (!/^postgres(?:ql)?:/.test(target)) {
    const sqlite = sqliteTable({ database: target, ...table });
    return { source: sqlite, close: () => sqlite.close() };
  }
  const { default: pg } = await import("pg");
  const pool = new pg.Pool({ connectionString: target });
  pool.on("error", () => {});
  return { source: postgresTable({ pool, ...table }), close: () => pool.end() };
}
