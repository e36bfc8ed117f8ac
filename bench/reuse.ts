/**
 * `node bench/reuse.ts`: a vault on a key service that takes a millisecond to answer. What `reuse`, batches and the
 * decrypt cache save, in calls and in time; then ten million messages on one lease, and what they leave in memory
 * (`--messages N` for fewer).
 *
 * Owns these figures. The service is in this process, so the time is only what the client waits and spends.
 *
 * @module
 */
import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { DataKey } from "../src/crypto/index.ts";
import { Vault } from "../src/index.ts";
import type { KeyService } from "../src/keys/index.ts";
import { Lease } from "../src/keys/index.ts";
import type { KvService } from "../src/kv/kv-service.ts";

const { values } = parseArgs({ options: { messages: { type: "string", default: "10000000" } } });
const messages = Number(values.messages);
const LATENCY_MS = 1;
const CONTEXT = { organization_id: "org_1" };
const AT_ONCE = 100;

/** Data keys by their wrapped form; answers after a millisecond and counts. */
class SlowKeys implements KeyService {
  readonly id = "slow";
  calls = 0;
  readonly #keys = new Map<string, Uint8Array>();

  async createDataKey(): Promise<DataKey> {
    this.calls += 1;
    await sleep(LATENCY_MS);
    const blob = Buffer.concat([Buffer.from("WOS.EKM.v1\0", "latin1"), randomBytes(195)]).toString("base64");
    const key = Uint8Array.from(randomBytes(32));
    this.#keys.set(blob, Uint8Array.from(key));
    return new DataKey({ id: "k", key, encryptedKeys: blob, context: CONTEXT });
  }

  async createDecrypt(request: { readonly keys: string }): Promise<DataKey> {
    this.calls += 1;
    await sleep(LATENCY_MS);
    const key = Uint8Array.from(this.#keys.get(request.keys)!);
    return new DataKey({ id: "k", key, encryptedKeys: request.keys, context: CONTEXT });
  }

  createRekey(): Promise<DataKey> {
    throw new Error("not measured");
  }
}

const text = "a secret of thirty-two characters";

async function run(what: string, count: number, work: (vault: Vault) => Promise<unknown>): Promise<void> {
  const keys = new SlowKeys();
  using vault = new Vault({ keys, kv: {} as KvService });
  await work(vault);
  keys.calls = 0;
  const start = performance.now();
  await work(vault);
  const seconds = (performance.now() - start) / 1000;
  const perSecond = Math.round(count / seconds).toLocaleString("en");
  const calls = Math.round((keys.calls / count) * 1e6).toLocaleString("en");
  console.log(`${what}: ${perSecond} values a second, ${calls} calls of the service per million values`);
}

async function inTurns(count: number, one: () => Promise<unknown>): Promise<void> {
  const worker = async (share: number): Promise<void> => {
    for (let i = 0; i < share; i++) await one();
  };
  await Promise.all(Array.from({ length: AT_ONCE }, () => worker(count / AT_ONCE)));
}

await run("a data key per message, 100 at once", 10_000, (vault) =>
  inTurns(10_000, () => vault.encrypt(text, CONTEXT)),
);
await run("reuse, 100 at once", 200_000, (vault) =>
  inTurns(200_000, () => vault.encrypt(text, CONTEXT, undefined, { reuse: true })),
);
const thousand = Array.from({ length: 1000 }, () => text);
await run("encryptMany of 1,000", 100_000, async (vault) => {
  for (let i = 0; i < 100; i++) await vault.encryptMany(thousand, CONTEXT);
});
await run("encryptMany of 1,000, reuse", 200_000, async (vault) => {
  for (let i = 0; i < 200; i++) await vault.encryptMany(thousand, CONTEXT, undefined, { reuse: true });
});

{
  using vault = new Vault({ keys: new SlowKeys(), kv: {} as KvService });
  using lease = await vault.lease(CONTEXT);
  const ciphertext = lease.encryptSync(text);
  const time = async (one: () => Promise<unknown>): Promise<number> => {
    let best = Number.POSITIVE_INFINITY;
    for (let round = 0; round < 15; round++) {
      const start = process.cpuUsage();
      for (let i = 0; i < 20_000; i++) await one();
      const { user, system } = process.cpuUsage(start);
      best = Math.min(best, (user + system) / 20_000);
    }
    return best;
  };
  const leased = await time(() => lease.decrypt(ciphertext));
  const cached = await time(() => vault.decrypt(ciphertext));
  console.log(
    `decrypt: lease ${leased.toFixed(2)} µs, vault with the key in its cache ${cached.toFixed(2)} µs (${(cached / leased).toFixed(2)} times)`,
  );
}

{
  const keys = new SlowKeys();
  using lease = new Lease(await keys.createDataKey(), { maxMessages: 2 ** 32, maxBytes: 2 ** 50 });
  const mib = (bytes: number): string => (bytes / 2 ** 20).toFixed(1);
  const memory = (): { rss: number; heap: number; outside: number } => {
    const { rss, heapUsed, external, arrayBuffers } = process.memoryUsage();
    return { rss, heap: heapUsed, outside: external + arrayBuffers };
  };
  const steps = 10;
  console.log(`memory, MiB, over ${messages.toLocaleString("en")} messages there and back:`);
  for (let step = 0; step <= steps; step++) {
    const { rss, heap, outside } = memory();
    console.log(`  ${step * 10}%: RSS ${mib(rss)}, heap ${mib(heap)}, outside of it ${mib(outside)}`);
    if (step === steps) break;
    for (let i = 0; i < messages / steps; i++) {
      if (lease.decryptSync(lease.encryptSync(text)) !== text) throw new Error("wrong");
      if (i % 1000 === 0) await null;
    }
    // What native objects hold is freed when the event loop turns.
    await sleep(1);
  }
}
