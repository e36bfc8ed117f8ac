/**
 * Soaks of a vault in PostgreSQL: it crashes, it fails over to a standby, its disk is full, its network is cut or silent, and
 * coffer's processes stand still.
 *
 * Owns what goes wrong. Must not judge what came of it: account.ts.
 *
 * @module
 */
import { execFileSync } from "node:child_process";
import { chownSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { migratePostgres, openPostgresHost, type VaultHost } from "../../src/vault/index.ts";
import {
  BIN,
  type Cluster,
  ownerOf,
  type RunOptions,
  serve,
  stop,
  WHY_NOT,
} from "../support/postgres-cluster.ts";
import { PostgresProxy } from "../support/postgres-proxy.ts";
import { Account } from "./account.ts";
import { crash, promote, standbyOf, urlOf } from "./cluster-faults.ts";
import { fill, mount } from "./small-disk.ts";
import { standStill } from "./standing-still.ts";
import { compare, inDirectory, PROCESSES, ROOT_KEY, type Run, type Writing, write } from "./writing.ts";

/** How long writers write before and after something happens, at least and at most half of it more. */
const WRITE_MS = 900;
const DOWN_MS_MAX = 600;
/** For writers before a network that loses answers: waits of the defaults would fill the soak. */
const ANSWER_MS = 1_000;
/** PostgreSQL holds what is behind the ballast: the cluster itself has 40 MiB, its journal a few segments of one MiB. */
const DISK_KIB = 112 * 1_024;
const BALLAST_BYTES = DISK_KIB * 1_024;
const STILLS = { short: 4, long: 12 };
const NETWORK_PHASES = { short: 3, long: 9 };

/** A vault in a new cluster. */
interface Place {
  readonly directory: string;
  readonly data: string;
  readonly options: RunOptions;
  readonly url: string;
  readonly open: () => Promise<VaultHost>;
  cluster: Cluster;
}

/** Makes a cluster with a vault, in which nothing has gone wrong yet, and does a part's work with it. */
async function withVault(
  work: (place: Place, account: Account) => Promise<string | undefined>,
  diskKib?: number,
): Promise<Account | string> {
  if (BIN === undefined) return WHY_NOT;
  const bin = BIN;
  const account = new Account();
  let problem: string | undefined;
  await inDirectory(account, async (directory) => {
    const options = ownerOf(directory);
    const disk = diskKib === undefined ? undefined : mount(join(directory, "disk"), diskKib);
    if (disk instanceof Error) {
      problem = disk.message;
      return;
    }
    try {
      if (disk !== undefined && options.uid !== undefined) chownSync(disk.at, options.uid, options.gid!);
      const data = join(disk?.at ?? directory, "data");
      const settings = ["-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--wal-segsize=1"];
      execFileSync(join(bin, "initdb"), settings, options);
      const cluster = await serve(data, directory, options, { fsync: "on" });
      const url = urlOf(cluster.port);
      await migratePostgres({ url });
      await (await openPostgresHost({ url, rootKey: ROOT_KEY, create: true, onNotice: () => {} })).close();
      const open = () => openPostgresHost({ url: urlOf(place.cluster.port), rootKey: ROOT_KEY });
      const place: Place = { directory, data, options, url, open, cluster };
      problem = await work(place, account);
      if (problem === undefined) await compare(account, open);
      await stop(place.cluster.process);
    } finally {
      disk?.end();
    }
  });
  return problem ?? account;
}

const writersOn = (where: string, round: number, more: object = {}): Writing[] =>
  Array.from({ length: PROCESSES }, (_, n) => write({ where, label: `r${round}p${n}`, ...more }));

async function endAll(writing: readonly Writing[], account: Account): Promise<void> {
  for (const { child } of writing) child.kill("SIGKILL");
  for (const { said } of writing) account.note(await said);
}

/** PostgreSQL crashes under processes of coffer, of which every second one's clock jumps by years; then they are killed. */
export function crashes({ rounds, seed, pick }: Run): Promise<Account | string> {
  return withVault(async (place, account) => {
    const { data, directory, options, url } = place;
    const { port } = place.cluster;
    for (let round = 0; round < rounds; round++) {
      const writing = Array.from({ length: PROCESSES }, (_, n) =>
        write({
          where: url,
          label: `r${round}p${n}`,
          ...(n % 2 === 1 ? { clockSeed: seed + round } : {}),
        }),
      );
      await sleep(WRITE_MS + pick(WRITE_MS));
      await crash(place.cluster);
      await sleep(pick(DOWN_MS_MAX));
      place.cluster = await serve(data, directory, options, { port, fsync: "on" });
      await sleep(WRITE_MS + pick(WRITE_MS));
      await endAll(writing, account);
    }
    return undefined;
  });
}

/**
 * The server crashes, its synchronous standby takes its place at the same address, and gets a standby of its own: what was
 * acknowledged must be there.
 */
export function failover({ rounds, pick }: Run): Promise<Account | string> {
  return withVault(async (place, account) => {
    const { directory, options } = place;
    const { proxy, url } = await PostgresProxy.before(place.url);
    try {
      for (let round = 0; round < rounds; round++) {
        const primary = place.cluster;
        const standby = await standbyOf(primary, directory, `standby${round}`, options, "on");
        const writing = writersOn(url, round, { answerMs: ANSWER_MS });
        await Promise.all(writing.map(({ spoke }) => spoke));
        await sleep(WRITE_MS + pick(WRITE_MS));
        await crash(primary);
        proxy.cutAll();
        await promote(standby);
        place.cluster = standby;
        proxy.leadTo(standby.port);
        await sleep(WRITE_MS + pick(WRITE_MS));
        await endAll(writing, account);
      }
      return undefined;
    } finally {
      await proxy.close();
    }
  });
}

/** Connections are cut, lose the answer of everything, or take bytes and say nothing more, again and again. */
export function network({ rounds, isShort, pick }: Run): Promise<Account | string> {
  return withVault(async (place, account) => {
    const { proxy, url } = await PostgresProxy.before(place.url);
    try {
      for (let round = 0; round < rounds; round++) {
        const writing = writersOn(url, round, { answerMs: ANSWER_MS });
        await Promise.all(writing.map(({ spoke }) => spoke));
        for (let phase = 0; phase < (isShort ? NETWORK_PHASES.short : NETWORK_PHASES.long); phase++) {
          await sleep(pick(WRITE_MS));
          if (phase % 3 === 0) proxy.cutAll();
          if (phase % 3 === 1) proxy.deafen();
          if (phase % 3 === 2) {
            proxy.isSwallowing = true;
            await sleep(pick(2 * ANSWER_MS));
            proxy.isSwallowing = false;
          }
          await sleep(WRITE_MS);
        }
        await endAll(writing, account);
      }
      return undefined;
    } finally {
      await proxy.close();
    }
  });
}

/** PostgreSQL's disk is full: it refuses, or ends itself and is started again when there is room. */
export function fullDisk({ rounds, pick }: Run): Promise<Account | string> {
  return withVault(async (place, account) => {
    const { data, directory, options, url } = place;
    const { port } = place.cluster;
    const ballast = join(data, "..", "ballast");
    for (let round = 0; round < rounds; round++) {
      const writing = writersOn(url, round);
      await Promise.all(writing.map(({ spoke }) => spoke));
      fill(ballast, BALLAST_BYTES);
      await sleep(2 * WRITE_MS + pick(2 * WRITE_MS));
      rmSync(ballast);
      await sleep(WRITE_MS);
      const { process: server } = place.cluster;
      if (server.exitCode !== null || server.signalCode !== null) {
        place.cluster = await serve(data, directory, options, { port, fsync: "on" });
      }
      await sleep(WRITE_MS);
      await endAll(writing, account);
    }
    return undefined;
  }, DISK_KIB);
}

/** Processes of coffer stand still with their transactions and locks open. */
export function stillClients({ rounds, isShort, pick }: Run): Promise<Account | string> {
  return withVault(async (place, account) => {
    for (let round = 0; round < rounds; round++) {
      const writing = writersOn(place.url, round);
      await Promise.all(writing.map(({ spoke }) => spoke));
      await standStill(writing, isShort ? STILLS.short : STILLS.long, pick);
      await endAll(writing, account);
    }
    return undefined;
  });
}
