/**
 * `npm run soak:revocation -- [--rounds N] [--writers N]`: rotate, rewrap the store and shred the old version of a KEK while
 * servers write under it, 100 times by default; then everything that was acknowledged is read. Servers do not hear of each
 * other: each may work with what it has seen for a second. Exit code 1 if a value is lost or a write fails.
 *
 * Owns the rounds. The race is that of test/support/revocation-races.ts, which the tests run a few times.
 *
 * @module
 */
import { rmSync } from "node:fs";
import { parseArgs } from "node:util";
import { migratePostgres, openPostgresHost, type VaultHost } from "../../src/vault/index.ts";
import { hasPostgres, start, stop, WHY_NOT } from "../support/postgres-cluster.ts";
import { lostWriteRound } from "../support/revocation-races.ts";

/** Servers that write, beside the one that changes KEKs. */
const SERVERS = 2;
const CONNECTIONS = 20;
const SHOW_EVERY = 10;

const { values } = parseArgs({
  options: { rounds: { type: "string", default: "100" }, writers: { type: "string", default: "8" } },
});
const [rounds, writers] = [Number(values.rounds), Number(values.writers)];
if (!hasPostgres) {
  console.log(`soak: revocation: skipped: ${WHY_NOT}`);
  process.exit(0);
}
const cluster = await start();
const url = `postgres://postgres@127.0.0.1:${cluster.port}/postgres`;
await migratePostgres({ url });
const rootKey = Buffer.alloc(32, 9).toString("base64");
const hosts: VaultHost[] = [];
for (let n = 0; n <= SERVERS; n++) {
  const options = { listen: false, maxConnections: CONNECTIONS, create: n === 0, onNotice: () => {} };
  hosts.push(await openPostgresHost({ url, rootKey, ...options }));
}
const { id } = await hosts[0]!.environment("default");
const actor = { id: "soak", name: "soak", source: "api" } as const;
const [admin, ...sessions] = hosts.map((host) => host.session(id, { actor }));
const startedAt = performance.now();
let [acknowledged, lost, failed] = [0, 0, 0];
for (let round = 1; round <= rounds; round++) {
  const met = await lostWriteRound(sessions, admin!, writers, `round ${round}`);
  acknowledged += met.acknowledged;
  lost += met.lost;
  failed += met.errors.length;
  if (round % SHOW_EVERY === 0)
    console.log(`soak: revocation: round ${round}: ${lost} lost of ${acknowledged}`);
}
for (const host of hosts) await host.close();
await stop(cluster.process);
rmSync(cluster.directory, { recursive: true, force: true });
const seconds = ((performance.now() - startedAt) / 1_000).toFixed(0);
console.log(
  `soak: revocation: ${rounds} rounds, ${writers} writers on ${SERVERS} servers, ${seconds} s: ${acknowledged} acknowledged, ${lost} lost, ${failed} refused`,
);
process.exitCode = lost > 0 || failed > 0 || acknowledged === 0 ? 1 : 0;
