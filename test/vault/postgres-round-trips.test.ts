/**
 * How often an operation waits for PostgreSQL: a relay counts each time that the client speaks after the server has answered.
 */
import { connect, createServer, type Server, type Socket } from "node:net";
import { afterEach, expect, test } from "vitest";
import type { HostSession } from "../../src/vault/host.ts";
import { describePostgres, freshDatabaseUrl, openTestPostgresHost } from "../support/postgres.ts";
import { sessionOf } from "../support/vaults.ts";

const CONTEXT = { organization_id: "org_1" };

/** Passes bytes on between a vault and PostgreSQL. */
class Relay {
  /** Times that the client has spoken first, or after an answer, on any connection. */
  turns = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  constructor(target: URL) {
    this.#server = createServer((client) => {
      const upstream = connect(Number(target.port), target.hostname);
      let isAnswered = true;
      client.on("data", (bytes) => {
        if (isAnswered) this.turns += 1;
        isAnswered = false;
        upstream.write(bytes);
      });
      upstream.on("data", (bytes) => {
        isAnswered = true;
        client.write(bytes);
      });
      for (const [socket, other] of [
        [client, upstream],
        [upstream, client],
      ] as const) {
        this.#sockets.add(socket);
        socket.setNoDelay(true);
        socket.on("error", () => {});
        socket.on("close", () => other.destroy());
      }
    });
  }

  async listen(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return (this.#server.address() as { port: number }).port;
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }
}

describePostgres("round trips to PostgreSQL", () => {
  const closing: (() => unknown)[] = [];
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
  });

  test("of each operation", async () => {
    const url = new URL(await freshDatabaseUrl());
    const relay = new Relay(new URL(url));
    closing.push(() => relay.close());
    url.hostname = "127.0.0.1";
    url.port = String(await relay.listen());
    const host = await openTestPostgresHost(url.href);
    closing.push(() => host.close());
    const session: HostSession = await sessionOf(host);
    const { id } = await session.kv.createKv({ name: "first", value: "1", keyContext: CONTEXT });
    const blob = (await session.keys.createDataKey({ context: CONTEXT })).encryptedKeys;
    await session.kv.getKv({ id });
    /** The fewest of some: what goes on beside them, such as a look for changes, is not theirs. */
    const counted = async (work: (n: number) => Promise<unknown>): Promise<number> => {
      const counts: number[] = [];
      for (let n = 0; n < 3; n++) {
        const before = relay.turns;
        await work(n);
        counts.push(relay.turns - before);
      }
      return Math.min(...counts);
    };
    const blobs = Array<string>(100).fill(blob);
    // With the KEKs of a context in memory, data keys need no database.
    expect(await counted(() => session.keys.createDataKey({ context: CONTEXT }))).toBe(0);
    expect(await counted(() => session.keys.createDecrypt({ keys: blob }))).toBe(0);
    expect(await counted(() => session.keys.unwrapMany({ keys: blobs }))).toBe(0);
    expect(await counted(() => session.keys.rewrapMany({ encryptedKeys: blobs }))).toBe(0);
    // One statement sees one state by itself.
    expect(await counted(() => session.kv.getKv({ id }))).toBe(1);
    expect(await counted(() => session.kv.getName({ name: "first" }))).toBe(1);
    expect(await counted(() => session.kv.listKv({ limit: 10 }))).toBe(1);
    expect(await counted(() => session.kv.listKvMetadata({ id }))).toBe(1);
    // With the locks what decides whether it may be written; then all rows with the COMMIT.
    const put = (n: number) => session.kv.createKv({ name: `put ${n}`, value: "2", keyContext: CONTEXT });
    expect(await counted(put)).toBe(2);
    // Its context is looked up before, and its row locked.
    expect(await counted((n) => session.kv.updateKv({ id, value: `${n}` }))).toBe(4);
    const ids: string[] = [];
    for (let n = 3; n < 6; n++) ids.push((await put(n)).id);
    expect(await counted((n) => session.kv.deleteKv({ id: ids[n]! }))).toBe(2);
  });
});
