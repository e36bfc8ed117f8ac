/**
 * What one request costs, part by part: the engine without HTTP, the app without sockets.
 *
 * Owns the loops. Run as `node bench/load/parts.ts [seconds] [part of a name]`; microseconds of wall and of processor time per call. Its numbers
 * are for finding out where time goes; results that are kept come from main.ts.
 *
 * @module
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createApp } from "../../src/server/app.ts";
import { openFileHost } from "../../src/vault/index.ts";

const CONTEXT = { organization_id: "org_1" };
/** Calls at once where sharing is what is looked at. */
const TOGETHER = 16;

const ms = Number(process.argv[2] ?? 1) * 1000;
const only = process.argv[3];
const directory = mkdtempSync(join(tmpdir(), "coffer-parts-"));
process.once("exit", () => rmSync(directory, { recursive: true, force: true }));

const host = await openFileHost({ path: join(directory, "vault.db"), onNotice: () => {} });
const environment = await host.environment("default");
const { key } = await host.apiKeys.create(environment.id, {
  name: "bench",
  permissions: ["encrypt", "decrypt", "kv:read", "kv:write"],
});
const session = (events: "all" | "changes") =>
  host.session(environment.id, { actor: { id: "bench", name: "bench", source: "api" }, events });
const all = session("all");
const changes = session("changes");
const app = createApp({ host });
const blob = (await all.keys.createDataKey({ context: CONTEXT })).encryptedKeys;
const stored = await all.kv.createKv({ name: "read", value: "value", keyContext: CONTEXT });

const ask = async (method: string, path: string, body?: unknown): Promise<void> => {
  const response = await app.fetch(
    new Request(`http://bench${path}`, {
      method,
      headers: {
        authorization: `Bearer ${key}`,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    }),
  );
  await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status}`);
};

let puts = 0;
const parts: Record<string, () => Promise<unknown>> = {
  "data key, engine, reads not recorded": () => changes.keys.createDataKey({ context: CONTEXT }),
  "data key, engine": () => all.keys.createDataKey({ context: CONTEXT }),
  "data key, app": () => ask("POST", "/vault/v1/keys/data-key", { context: CONTEXT }),
  "decrypt, engine": () => all.keys.createDecrypt({ keys: blob }),
  "kv get, engine": () => all.kv.getKv({ id: stored.id }),
  "kv list, engine": () => all.kv.listKv({ limit: 10 }),
  "kv put, engine": () => all.kv.createKv({ name: `put-${puts++}`, value: "value", keyContext: CONTEXT }),
  "kv put, app": () =>
    ask("POST", "/vault/v1/kv", { name: `put-${puts++}`, value: "value", key_context: CONTEXT }),
};

for (const [name, run] of Object.entries(parts)) {
  if (only !== undefined && !name.includes(only)) continue;
  for (const together of [1, TOGETHER]) {
    for (const isWarmUp of [true, false]) {
      const until = performance.now() + (isWarmUp ? ms / 3 : ms);
      const before = process.cpuUsage();
      const startedAt = performance.now();
      let calls = 0;
      const loop = async (): Promise<void> => {
        while (performance.now() < until) {
          await run();
          calls += 1;
          // A server's event loop turns too: timers and what they start belong to the cost.
          if (calls % 64 === 0) await new Promise((resolve) => setImmediate(resolve));
        }
      };
      await Promise.all(Array.from({ length: together }, loop));
      if (isWarmUp) continue;
      const wallUs = ((performance.now() - startedAt) / calls) * 1000;
      const { user, system } = process.cpuUsage(before);
      console.log(
        `${name.padEnd(40)} ${String(together).padStart(3)} at once: ${wallUs.toFixed(1).padStart(8)} µs wall, ${((user + system) / calls).toFixed(1).padStart(8)} µs processor`,
      );
    }
  }
}
await host.close();
