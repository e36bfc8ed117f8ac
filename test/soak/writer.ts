/**
 * The process of a soak: it changes a vault all the time, and says what it is about to do, and what was acknowledged.
 *
 * Owns the order of its acts. Each line of its output is one {@link Line}, written at once, so that what it had said when
 * it was killed is true. Must not judge what came out.
 *
 * @module
 */
import { writeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { isVaultError } from "../../src/errors.ts";
import { type EmbeddedVault, openVault } from "../../src/vault/index.ts";
import { numbers } from "../support/crafted-envelopes.ts";

/** What a writer is told, as its one argument in JSON. */
export interface WriterOrder {
  /** A path or a PostgreSQL URL. */
  readonly where: string;
  readonly rootKey: string;
  /** Begins every name, so that no two processes meet. */
  readonly label: string;
  /** Acts under way at the same time. */
  readonly writers: number;
  /** It ends by itself after so many milliseconds. */
  readonly forMs: number;
  /** With it the clock jumps, by this seed. */
  readonly clockSeed?: number;
  /** How long it waits for PostgreSQL's answers and connections; the defaults without it. */
  readonly answerMs?: number;
}

/** What a writer says: what it begins, and what came of it. */
export type Line =
  | { readonly begins: number; readonly does: Act; readonly name: string }
  | { readonly done: number; readonly blob?: string; readonly key?: string }
  | { readonly failed: number; readonly code: string }
  /** The vault could not be opened; nothing was begun. */
  | { readonly unopened: string };

/** What a name can undergo; `shred` takes away the data key of that name. */
export type Act = "create" | "update" | "delete" | "key" | "shred" | "rotate" | "rewrap";

/** The value of a version, from 1 on: of sizes from a few bytes to several pages. */
export function storedValue(name: string, version: number): string {
  return `${name} v${version} ${"x".repeat((name.length * 7919 * version) % 6_000)}`;
}

const YEAR_MS = 365 * 86_400_000;
const RETRY_MS = 50;
const MESSAGE_CODES = new Set(["ERR_STORAGE_UNAVAILABLE", "ERR_OUTCOME_UNKNOWN", "ERR_DISPOSED"]);

/** The code of an error; what is no error of a vault is a fault of the vault's, and stands whole. */
function codeOf(error: unknown): string {
  return isVaultError(error) ? error.code : `not a vault's error: ${(error as Error).stack}`;
}

/** A clock that jumps up to three years to and fro. */
function jumping(seed: number): () => number {
  const pick = numbers(seed);
  return () => Date.now() + (pick(2) === 0 ? 0 : pick(6 * YEAR_MS) - 3 * YEAR_MS);
}

async function work(order: WriterOrder): Promise<void> {
  const until = Date.now() + order.forMs;
  let acts = 0;
  let vault: EmbeddedVault | undefined;
  const say = (line: Line): void => void writeSync(1, `${JSON.stringify(line)}\n`);
  const clock = order.clockSeed === undefined ? {} : { now: jumping(order.clockSeed) };
  let opening: Promise<EmbeddedVault> | undefined;
  const opened = async (): Promise<EmbeddedVault> => {
    if (vault !== undefined) return vault;
    const { where, rootKey } = order;
    const options = { rootKey, onNotice: () => {}, ...clock };
    const { answerMs } = order;
    const waits =
      answerMs === undefined
        ? {}
        : { connectTimeoutMs: answerMs, answerTimeoutMs: answerMs, closeTimeoutMs: answerMs };
    opening ??= openVault(
      where.includes("://") ? { database: where, ...options, ...waits } : { path: where, ...options },
    );
    try {
      vault = await opening;
      return vault;
    } finally {
      opening = undefined;
    }
  };
  /** Does one act and says so; undefined if it failed. */
  const act = async <T extends object>(
    does: Act,
    name: string,
    run: (vault: EmbeddedVault) => Promise<T>,
  ): Promise<T | undefined> => {
    let on: EmbeddedVault;
    try {
      on = await opened();
    } catch (error) {
      say({ unopened: codeOf(error) });
      await sleep(RETRY_MS);
      return undefined;
    }
    const number = acts++;
    say({ begins: number, does, name });
    try {
      const result = await run(on);
      const { encryptedKeys: blob, dataKey: key } = result as { encryptedKeys?: string; dataKey?: string };
      say({ done: number, ...(does === "key" ? { blob: blob!, key: key! } : {}) });
      return result;
    } catch (error) {
      const code = codeOf(error);
      say({ failed: number, code });
      if (MESSAGE_CODES.has(code) && vault === on) {
        vault = undefined;
        await on.close().catch(() => {});
      }
      await sleep(RETRY_MS);
      return undefined;
    }
  };
  const writer = async (writing: number): Promise<void> => {
    for (let i = 0; Date.now() < until; i++) {
      const name = `${order.label}-${writing}-${i}`;
      const keyContext = { tenant: `t${i % 3}` };
      const made = await act("create", name, (on) =>
        on.createKv({ name, value: storedValue(name, 1), keyContext }),
      );
      if (made === undefined) continue;
      let isWell = true;
      for (let version = 2; version <= 1 + (i % 3) && isWell; version++) {
        const value = storedValue(name, version);
        isWell = (await act("update", name, (on) => on.updateKv({ id: made.id, value }))) !== undefined;
      }
      if (isWell && i % 4 === 3) await act("delete", name, (on) => on.deleteKv({ id: made.id }));
      if (i % 2 === 0) await act("key", `key ${name}`, (on) => on.createDataKey({ context: keyContext }));
      if (i % 5 === 4) {
        const gone = `gone ${name}`;
        const key = await act("key", gone, (on) => on.createDataKey({ context: { gone: name } }));
        if (key !== undefined) {
          await act("shred", gone, (on) => on.keks.shred({ name: "gone", value: name }));
        }
      }
      if (i % 6 === 5) {
        await act("rotate", "t0", (on) => on.keks.rotate({ name: "tenant", value: "t0" }));
      }
      if (i % 30 === 29) await act("rewrap", "all", (on) => on.rewrapKv());
    }
  };
  await Promise.all(Array.from({ length: order.writers }, (_, writing) => writer(writing)));
  await vault?.close().catch(() => {});
}

if (import.meta.main) {
  await work(JSON.parse(process.argv[2]!) as WriterOrder);
  process.exit(0);
}
