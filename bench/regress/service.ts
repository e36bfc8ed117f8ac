/**
 * A server under load, by its own processor time; and the client over HTTP, by that of this process.
 *
 * Owns the requests. Each commit's client asks the server of the same commit. Must not know what they are compared with.
 *
 * @module
 */
import { join } from "node:path";
import type * as Main from "../../src/index.ts";
import type * as Vaults from "../../src/vault/index.ts";
import { inProcess, type Sampler } from "../lib/harness.ts";
import { load as loadServer, type MakeRequest, requestBytes } from "../load/client.ts";
import { processorNs, type Server, start } from "../load/servers.ts";
import { type Group, load, type Side, type Work } from "./side.ts";

const CONNECTIONS = 16;
/** Keys of a batch, and contexts that they are of in turn. */
const BATCH = 100;
const CONTEXTS = 10;
const OBJECTS = 500;
/** Ciphertexts of a bulk call. */
const BULK = 1_000;
const CONTEXT = { organization_id: "org_1" };

/** Requests of each kind, and calls of the client. */
export async function serviceGroup(side: Side): Promise<Group> {
  const { openFileHost } = await load<typeof Vaults>(side, "vault/index.ts");
  const path = join(side.scratch, "service.db");
  const host = await openFileHost({ path, onNotice: () => {} });
  const environment = await host.environment("default");
  const { key } = await host.apiKeys.create(environment.id, {
    name: "bench",
    permissions: ["encrypt", "decrypt", "rekey", "kv:read", "kv:write"],
  });
  const session = host.session(environment.id, { actor: { id: "bench", name: "bench", source: "api" } });
  const blobs: string[] = [];
  for (let i = 0; i < BATCH; i++) {
    const context = { organization_id: `org_${i % CONTEXTS}` };
    blobs.push((await session.keys.createDataKey({ context })).encryptedKeys);
  }
  const ids: string[] = [];
  for (let i = 0; i < OBJECTS; i++) {
    ids.push((await session.kv.createKv({ name: `object-${i}`, value: "value", keyContext: CONTEXT })).id);
  }
  await host.close();
  const args = ["src/cli/main.ts", "server", "--vault", path, "--port", "0"];
  const silent = await start([...args, "--log", "none"], side.path);
  const logging = await start([...args, "--log", "json"], side.path, "ignore");

  const headers = { authorization: `Bearer ${key}` };
  let puts = 0;
  const post =
    (path: string, body: () => unknown): MakeRequest =>
    () =>
      requestBytes("POST", path, headers, JSON.stringify(body()));
  const dataKey = post("/vault/v1/keys/data-key", () => ({ context: CONTEXT }));
  const server = (name: string, make: MakeRequest, keys = 1, of: Server = silent): Work => ({
    name: `server: ${name}`,
    sampler: (column) => new ServerSampler(column, of, make, keys),
  });

  const { Vault } = await load<typeof Main>(side, "index.ts");
  const vault = new Vault({ apiKey: key, baseUrl: `http://127.0.0.1:${silent.port}` });
  const bulk = await Promise.all(Array.from({ length: BULK }, () => vault.encrypt("secret", CONTEXT)));
  const client = (name: string, items: number, call: () => Promise<unknown>): Work => ({
    name: `client: ${name}`,
    sampler: (column) => {
      const all = inProcess({ name: column, call, isAsync: true });
      return {
        name: column,
        async run(calls) {
          const rounds = Math.ceil(calls / items);
          const { wall, cpu } = await all.run(rounds);
          return { wall: (wall * calls) / (rounds * items), cpu: (cpu * calls) / (rounds * items) };
        },
      };
    },
  });
  const works = [
    server("data key", dataKey),
    server("data key, JSON log", dataKey, 1, logging),
    server(
      "decrypt",
      post("/vault/v1/keys/decrypt", () => ({ keys: blobs[0] })),
    ),
    server("kv get", (i) => requestBytes("GET", `/vault/v1/kv/${ids[i % OBJECTS]}`, headers, undefined)),
    server("kv list of 10", () => requestBytes("GET", "/vault/v1/kv?limit=10", headers, undefined)),
    server(
      "kv put",
      post("/vault/v1/kv", () => ({ name: `put-${puts++}`, value: "value", key_context: CONTEXT })),
    ),
    server(
      `a key of ${BATCH} unwraps`,
      post("/coffer/v1/keys/decrypts", () => ({ keys: blobs })),
      BATCH,
    ),
    server(
      `a key of ${BATCH} rewraps`,
      post("/coffer/v1/keys/rewraps", () => ({ encrypted_keys: blobs })),
      BATCH,
    ),
    client("encrypt, a fresh key", 1, () => vault.encrypt("secret", CONTEXT)),
    client(`a row of rewrapMany of ${BULK}`, BULK, async () => {
      const failed = (await vault.rewrapMany(bulk)).find((result) => !result.ok);
      if (failed !== undefined) throw new Error("rewrapMany failed");
    }),
  ];
  return {
    works,
    async close() {
      for (const { child } of [silent, logging]) child.kill("SIGTERM");
    },
  };
}

/** Requests over some connections; the server's processor time for each of their keys. */
class ServerSampler implements Sampler {
  readonly name: string;
  readonly #server: Server;
  readonly #make: MakeRequest;
  readonly #keys: number;

  constructor(name: string, server: Server, make: MakeRequest, keys: number) {
    this.name = name;
    this.#server = server;
    this.#make = make;
    this.#keys = keys;
  }

  async run(calls: number): Promise<{ readonly wall: number; readonly cpu: number }> {
    const requests = Math.max(1, Math.ceil(calls / this.#keys));
    const before = processorNs(this.#server);
    const result = await loadServer(
      this.#server.port,
      Math.min(CONNECTIONS, requests),
      { requests },
      this.#make,
    );
    const cpu = processorNs(this.#server) - before;
    if (result.failures > 0) throw new Error(`${result.failures} requests failed`);
    const share = calls / (requests * this.#keys);
    return { wall: result.seconds * 1e9 * share, cpu: cpu * share };
  }
}
