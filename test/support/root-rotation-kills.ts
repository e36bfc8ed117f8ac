/**
 * Rotations of the root under load that are killed and go on: the one round that the test in CI and the soak both run.
 *
 * Owns the vault, the writers beside, the kills, and the look at what is left. Must not know how often it is run.
 *
 * @module
 */
import { spawn } from "node:child_process";
import { copyFileSync, readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { openFileHost, type VaultHost } from "../../src/vault/index.ts";

const PROGRAM = join(import.meta.dirname, "root-rotation.ts");
const ACTOR = { id: "load", name: "load", source: "api" } as const;
const silent = { onNotice: () => {} };

/** How a run goes. */
export interface KillOrder {
  readonly keks: number;
  readonly kills: number;
  /** Whether MACs are made anew too. */
  readonly hasLeaked: boolean;
}

/** What a run of kills has shown. */
export interface KillReport {
  readonly kills: number;
  readonly unreadable: number;
  readonly written: number;
  /** Whether the root key of before opens the vault. */
  readonly isOldRootAlive: boolean;
}

const session = async (host: VaultHost) =>
  host.session((await host.environment("default")).id, { actor: ACTOR });

/** Rotates the root of a new vault, killing the process that does it `kills` times, while another one writes. */
export async function killRotations(path: string, order: KillOrder): Promise<KillReport> {
  const { keks, kills, hasLeaked } = order;
  const host = await openFileHost({ path, ...silent });
  const { kv, keys } = await session(host);
  const blobs: string[] = [];
  for (let i = 0; i < keks; i++) {
    using key = await keys.createDataKey({ context: { org: `${i}` } });
    blobs.push(key.encryptedKeys);
  }
  const oldRoot = readFileSync(`${path}.root-key`, "utf8");
  const names: string[] = [];
  let isEnough = false;
  const load = (async () => {
    for (let i = 0; !isEnough; i++) {
      // New KEKs too, and changes of old ones.
      await kv.createKv({ name: `n${i}`, value: `v${i}`, keyContext: { org: `${i % keks}`, new: `${i}` } });
      names.push(`n${i}`);
      if (i % 5 === 0) {
        const { keks: lifecycle } = await session(host);
        await lifecycle.rotate({ name: "org", value: `${i % keks}` });
      }
    }
  })();
  let done = 0;
  for (let isOver = false; !isOver; ) {
    const child = spawn(
      process.execPath,
      ["--no-warnings", PROGRAM, path, ...(hasLeaked ? ["leaked"] : [])],
      {
        stdio: ["ignore", "pipe", "inherit"],
      },
    );
    const ended = new Promise<number | null>((resolve) => child.once("exit", (code) => resolve(code)));
    if (done < kills) {
      // At another point each time: a process that has said this much has begun the next transaction.
      let lines = 1 + (done % 4);
      const told = new Promise<void>((resolve) => {
        child.stdout.on("data", (chunk: Buffer) => {
          lines -= chunk.toString().split("\n").length - 1;
          if (lines <= 0) resolve();
        });
      });
      await Promise.race([told, ended]);
      child.kill("SIGKILL");
      done += 1;
      isOver = (await ended) === 0;
    } else {
      child.stdout.resume();
      if ((await ended) !== 0) throw new Error("the rotation failed");
      isOver = true;
    }
  }
  isEnough = true;
  await load;
  let unreadable = 0;
  const reads = async (host: VaultHost): Promise<void> => {
    const { keys, kv } = await session(host);
    for (const keysText of blobs) {
      await keys.createDecrypt({ keys: keysText }).then(
        (key) => key.dispose(),
        () => (unreadable += 1),
      );
    }
    for (const name of names) await kv.getName({ name }).catch(() => (unreadable += 1));
  };
  // The process that ran all the time, and one that is opened now, with what lies beside the vault now.
  await reads(host);
  await host.close();
  const fresh = await openFileHost({ path, ...silent });
  await reads(fresh);
  await fresh.close();
  const isOldRootAlive = await opensWith(path, oldRoot.trim());
  return { kills: done, unreadable, written: names.length, isOldRootAlive };
}

/** Whether a copy of a vault opens with a root key. */
async function opensWith(path: string, rootKey: string): Promise<boolean> {
  const copy = `${path}.copy`;
  for (const name of readdirSync(dirname(path))) {
    const end = name.slice(basename(path).length);
    if (name.startsWith(basename(path)) && /^(-wal)?$/.test(end))
      copyFileSync(join(dirname(path), name), copy + end);
  }
  try {
    await (await openFileHost({ path: copy, rootKey, create: false, ...silent })).close();
    return true;
  } catch {
    return false;
  }
}
