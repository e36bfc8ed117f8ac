/**
 * `npm run bench:root-rotation -- [--keks N] [--postgres-keks N] [--name NAME] [--out DIR]`: how long a rotation of the root takes,
 * and how long a put waits beside it. 100,000 KEKs in a file by default, 10,000 in PostgreSQL.
 *
 * Owns the vaults and the rounds. Timings are never a reason to fail.
 *
 * @module
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { migratePostgres, openFileHost, openPostgresHost, type VaultHost } from "../src/vault/index.ts";
import { hasPostgres, start, stop, WHY_NOT } from "../test/support/postgres-cluster.ts";
import { fileSystem, load, machine, versions } from "./lib/machine.ts";
import { REPORT_SCHEMA, writeResult } from "./lib/result-file.ts";
import { quantile } from "./lib/statistics.ts";
import type { RotationRow } from "./root-rotation-report.ts";

/** KEKs that are made at once: they share commits. */
const AT_ONCE = { file: 500, postgres: 20 };
const CONNECTIONS = 25;
const ACTOR = { id: "bench", name: "bench", source: "api" } as const;
const rootKey = (byte: number): string => Buffer.alloc(32, byte).toString("base64");

/** Opens a vault under one root key, with the next one at hand. */
type Open = (rootKey: string, nextRootKey?: string) => Promise<VaultHost>;

async function measure(storage: string, keks: number, atOnce: number, open: Open): Promise<void> {
  const host = await open(rootKey(1));
  const { id } = await host.environment("default");
  const { keys } = host.session(id, { actor: ACTOR });
  for (let made = 0; made < keks; made += atOnce) {
    const some = Array.from({ length: Math.min(atOnce, keks - made) }, (_, i) => made + i);
    await Promise.all(
      some.map(async (n) => (await keys.createDataKey({ context: { tenant: `${n}` } })).dispose()),
    );
  }
  await host.close();
  for (const hasLeaked of [false, true]) {
    rows.push({ storage, keks, ...(await rotation(hasLeaked, hasLeaked ? 2 : 1, id, open)) });
    console.log(rows.at(-1));
    save();
  }
}

async function rotation(
  hasLeaked: boolean,
  root: number,
  environmentId: string,
  open: Open,
): Promise<Omit<RotationRow, "storage" | "keks">> {
  const rotating = await open(rootKey(root), rootKey(root + 1));
  const writing = await open(rootKey(root), rootKey(root + 1));
  const { kv } = writing.session(environmentId, { actor: ACTOR });
  const waits: number[] = [];
  let isOver = false;
  const puts = (async () => {
    for (let n = 0; !isOver; n++) {
      const at = performance.now();
      await kv.createKv({ name: `${root}-${n}`, value: "v", keyContext: { tenant: "0" } });
      waits.push(performance.now() - at);
    }
  })();
  const at = performance.now();
  const { keks, rows } = await rotating.rotateRoot({ hasLeaked });
  const seconds = (performance.now() - at) / 1_000;
  isOver = true;
  await puts;
  await rotating.close();
  await writing.close();
  return {
    hasLeaked,
    rows,
    seconds,
    keksPerSecond: Math.round(keks / seconds),
    puts: waits.length,
    putMedianMs: quantile(waits, 0.5),
    putMaxMs: quantile(waits, 1),
  };
}

const { values } = parseArgs({
  options: {
    keks: { type: "string", default: "100000" },
    "postgres-keks": { type: "string", default: "10000" },
    name: { type: "string", default: "root" },
    out: { type: "string", default: join(import.meta.dirname, "results") },
  },
});
const startedAt = new Date();
const before = load();
const silent = { onNotice: () => {} };
const directory = mkdtempSync(join(tmpdir(), "coffer-bench-root-"));
const path = join(directory, "vault.db");
const rows: RotationRow[] = [];
try {
  await measure("file", Number(values.keks), AT_ONCE.file, (key, next) =>
    openFileHost({ path, rootKey: key, nextRootKey: next, lockWaitMs: 60_000, ...silent }),
  );
} finally {
  rmSync(directory, { recursive: true, force: true });
}
if (hasPostgres) {
  const cluster = await start();
  const url = `postgres://postgres@127.0.0.1:${cluster.port}/postgres`;
  try {
    await migratePostgres({ url });
    const options = { url, listen: false, maxConnections: CONNECTIONS, ...silent };
    await measure("postgres", Number(values["postgres-keks"]), AT_ONCE.postgres, (key, next) =>
      openPostgresHost({ ...options, rootKey: key, nextRootKey: next }),
    );
  } finally {
    await stop(cluster.process);
    rmSync(cluster.directory, { recursive: true, force: true });
  }
} else {
  console.log(`bench: root-rotation: PostgreSQL left out: ${WHY_NOT}`);
}

/** Writes what has been measured so far. */
function save(): void {
  const result = {
    schema: REPORT_SCHEMA,
    name: values.name,
    startedAt: startedAt.toISOString(),
    seconds: Math.round((Date.now() - startedAt.getTime()) / 1_000),
    machine: machine(),
    load: { before, after: load() },
    fileSystem: fileSystem(tmpdir()),
    versions: versions(),
    rotations: rows,
  };
  console.log(writeResult(result, values.out));
}
