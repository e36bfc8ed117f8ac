/**
 * Clients that ask and do not read, or send and do not end: what a server holds for all of them together is bounded, and
 * all others are served meanwhile (docs/spec/key-service-api.md 1.4).
 *
 * The servers run in processes of their own, so that what is measured is theirs. Their objects have to fit into a small heap,
 * so that garbage not yet collected, which differs from run to run, does not count. Without the limits under test they do
 * not fit and the server ends, or it takes several times the bound of memory.
 */
import { readFileSync } from "node:fs";
import { get } from "node:http";
import { connect, type Socket } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { type ServerProcess, startServerProcess } from "../support/server-process.ts";
import { freshPath, ROOT_KEY } from "../support/vaults.ts";

const MIB = 1024 * 1024;
/** The heap that the servers have. */
const HEAP_MIB = 256;
/** What a server may grow by under any of these: the limits come to about a quarter of it. */
const GROWTH_MAX = 640 * MIB;

/** The most memory that a process has had at once, in bytes. */
function peakMemory(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)![1]) * 1024;
}

async function start(): Promise<ServerProcess> {
  const server = await startServerProcess(freshPath(), ROOT_KEY, { heapMib: HEAP_MIB });
  onTestFinished(() => server.kill());
  return server;
}

/** Opens connections that send something and never read. */
async function mute(server: ServerProcess, count: number, bytes: string | Buffer): Promise<Socket[]> {
  const sockets: Socket[] = [];
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
  });
  for (let i = 0; i < count; i++) {
    const socket = connect({ host: "127.0.0.1", port: Number(new URL(server.url).port) });
    socket.on("error", () => {}); // A reset is one way of being closed.
    socket.pause();
    socket.write(bytes);
    sockets.push(socket);
  }
  await Promise.all(
    sockets.map(
      (socket) =>
        new Promise<void>((resolve) => socket.once("connect", resolve).once("close", () => resolve())),
    ),
  );
  return sockets;
}

/** Asks on a connection of its own: one that is kept could be the one that makes room. */
function statusOf(url: string, headers: Record<string, string>): Promise<number> {
  return new Promise((resolve, reject) => {
    const options = { headers, agent: false, signal: AbortSignal.timeout(20_000) };
    get(url, options, (response) => {
      response.resume().once("end", () => resolve(response.statusCode as number));
    }).once("error", reject);
  });
}

/** Asks as other clients do, for a while. */
async function expectServed(
  server: ServerProcess,
  path: string,
  headers: Record<string, string> = {},
): Promise<void> {
  for (let i = 0; i < 5; i++) {
    expect(await statusOf(server.url + path, headers)).toBe(200);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const getText = (path: string, key?: string): string =>
  `GET ${path} HTTP/1.1\r\nhost: x\r\n${key === undefined ? "" : `authorization: Bearer ${key}\r\n`}\r\n`;

const post = (path: string, key: string, length: number): string =>
  `POST ${path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${key}\r\n` +
  `content-type: application/json\r\ncontent-length: ${length}\r\n\r\n`;

test("[API-50] [API-51] answers that are not read, with and without a key, in any number ahead", {
  timeout: 120_000,
}, async () => {
  const server = await start();
  await expectServed(server, "/openapi.json");
  const before = peakMemory(server.pid);
  const all: Socket[] = [];
  for (const [path, key] of [["/openapi.json"], ["/coffer/v1/status", server.key], ["/metrics"]] as const) {
    // More than may wait: such connections are cut. As many as may wait: they are answered one by one.
    for (const requests of [500, 60]) {
      all.push(...(await mute(server, 200, getText(path, key).repeat(requests))));
      await expectServed(server, "/healthz");
      await expectServed(server, "/coffer/v1/status", { authorization: `Bearer ${server.key}` });
    }
  }
  expect(peakMemory(server.pid) - before).toBeLessThan(GROWTH_MAX);
  expect(all.length).toBe(1_200);
});

test("[API-51] bodies that never end", { timeout: 120_000 }, async () => {
  const server = await start();
  await expectServed(server, "/healthz");
  const before = peakMemory(server.pid);
  const length = 1_000_000;
  const unfinished = Buffer.concat([
    Buffer.from(post("/coffer/v1/keys/decrypts", server.key, length)),
    Buffer.alloc(length - 1, 0x20),
  ]);
  await mute(server, 1_500, unfinished);
  await expectServed(server, "/healthz");
  // Those whose bodies come whole still get their answers.
  const body = JSON.stringify({
    context: { organization_id: "org_1" },
    count: 1,
    padding: "x".repeat(200_000),
  });
  for (let i = 0; i < 5; i++) {
    const response = await fetch(`${server.url}/coffer/v1/keys/data-keys`, {
      method: "POST",
      headers: { authorization: `Bearer ${server.key}`, "content-type": "application/json" },
      body,
    });
    expect(response.status).toBe(200);
  }
  expect(peakMemory(server.pid) - before).toBeLessThan(GROWTH_MAX);
});

test("[API-52] more connections than there may be open files", { timeout: 120_000 }, async () => {
  const server = await startServerProcess(freshPath(), ROOT_KEY, { filesMax: 400 });
  onTestFinished(() => server.kill());
  for (const bytes of ["", "GET / HTTP/1.1\r\nx: ", getText("/healthz")]) {
    await mute(server, 500, bytes);
    await expectServed(server, "/readyz");
  }
});
