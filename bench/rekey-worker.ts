/**
 * A process that runs the job of the rekey bench to its end, or until it is killed.
 *
 *     node bench/rekey-worker.ts VAULT DATABASE LEASE_MS
 *
 * Says a line for each page, `rows done`, and in the end its largest memory in KiB, `memory KIB`.
 *
 * @module
 */
import { writeSync } from "node:fs";
import { RekeyJob } from "../src/rekey/index.ts";
import { postgresTable, sqliteTable } from "../src/sources/index.ts";
import { openVault } from "../src/vault/index.ts";

const [vaultPath, target, leaseMs] = process.argv.slice(2) as [string, string, string];
const vault = await openVault({ path: vaultPath, onNotice: () => {}, cache: { maxAgeMs: 0 } });
const isUrl = /^postgres(?:ql)?:/.test(target);
const pool = isUrl ? new (await import("pg")).default.Pool({ connectionString: target }) : undefined;
const source =
  pool === undefined
    ? sqliteTable({ database: target, table: "t", columns: ["body"] })
    : postgresTable({ pool, table: "coffer_bench", columns: ["body"] });
await new RekeyJob({ keys: vault.keys, source, mode: "rewrap" }).run({
  leaseMs: Number(leaseMs),
  onProgress: ({ counts }) => writeSync(1, `rows ${counts.rows}\n`),
});
await source.close();
await pool?.end();
await vault.close();
writeSync(1, `memory ${process.resourceUsage().maxRSS}\n`);
