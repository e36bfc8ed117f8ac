/**
 * A taint scan of every public call: each export, each method of the objects of a vault, a client, a host and a lease, and
 * each verb of the command is given canaries in every place. What is thrown, logged, warned of or printed holds none.
 *
 * Owns the walk over what is public. What ordinary work shows: taint.test.ts.
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";

import { inspect } from "node:util";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import * as crypto from "../../src/crypto/index.ts";
import * as events from "../../src/events.ts";
import * as root from "../../src/index.ts";
import * as keks from "../../src/keks/index.ts";
import * as keys from "../../src/keys/index.ts";
import * as kv from "../../src/kv/index.ts";
import * as rekey from "../../src/rekey/index.ts";
import * as workos from "../../src/workos/index.ts";
import { startServer } from "../support/server.ts";
import { canaryText, ofText, type Trace, tracesIn } from "../support/taint.ts";
import { freshDirectory, freshPath, openTestHost, openTestVault, sessionOf } from "../support/vaults.ts";

const ENTRIES = { root, crypto, keys, keks, kv, rekey, workos, events };
const EVERY_VERB = join(import.meta.dirname, "every-verb.ts");
/** End what they belong to. */
const ENDING = /^(close|dispose|destroy|stop)$/;
const CONTEXT = { tenant: "t" };

const secret = canaryText("secret");
let written = "";

beforeEach(() => {
  written = "";
  for (const stream of [process.stdout, process.stderr]) {
    vi.spyOn(stream, "write").mockImplementation((chunk) => {
      written += typeof chunk === "string" ? chunk : Buffer.from(chunk).toString("latin1");
      return true;
    });
  }
  vi.spyOn(process, "emitWarning").mockImplementation((warning) => {
    written += String(warning);
  });
});
afterEach(() => {
  vi.restoreAllMocks();
});

/** What a call may be given: a secret in each place, alone, in objects, in lists, as bytes. Names of options are none. */
function argumentLists(): unknown[][] {
  const object = {
    value: secret,
    keys: secret,
    plaintext: secret,
    ciphertext: secret,
    data: secret,
    context: { tenant: secret },
    keyContext: { tenant: secret },
    associatedData: secret,
    dataKey: secret,
    encryptedKeys: secret,
    id: "none",
    name: "none",
  };
  const bytes = Buffer.from(secret);
  return [
    [secret, secret, secret, secret],
    [secret, CONTEXT, secret, { unknown: secret }],
    [secret, { tenant: secret }, 7],
    [`${secret}\ud800`, { tenant: `${secret}\ud800` }],
    [bytes, bytes, bytes],
    [object, object],
    [[secret, secret], { tenant: secret }],
    [[object], object],
    [{ ...object, layout: secret, limit: secret, versionCheck: secret, after: secret }],
    [new Error(secret), new Map([[secret, secret]])],
  ];
}

/** The methods that an object has, of its own and of its classes. */
function methodsOf(object: object): string[] {
  const names = new Set<string>();
  for (let at = object; at !== Object.prototype && at !== null; at = Object.getPrototypeOf(at)) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(at))) {
      if (typeof value === "function" && name !== "constructor" && !ENDING.test(name)) names.add(name);
    }
  }
  return [...names];
}

/** All that comes of failing. */
function said(error: unknown): string {
  const all = { depth: 10, showHidden: true, getters: true };
  const { message, stack, cause } = error as Error;
  return [message, stack, inspect(error), inspect(error, all), inspect(cause), JSON.stringify(error)].join(
    "\n",
  );
}

const traces: Trace[] = [];
let failures = 0;

/** Calls with every list of arguments; what it throws is looked through. */
async function taint(what: string, call: (args: unknown[]) => unknown): Promise<void> {
  for (const args of argumentLists()) {
    try {
      const answer = await call(args);
      // What is asked for piece by piece is refused only then.
      if (typeof (answer as AsyncIterable<unknown> | null)?.[Symbol.asyncIterator] === "function") {
        for await (const _ of answer as AsyncIterable<unknown>) break;
      }
    } catch (error) {
      failures += 1;
      traces.push(...tracesIn(what, said(error), [ofText("secret", secret)]));
    }
  }
}

async function taintMethods(objects: Readonly<Record<string, object>>): Promise<number> {
  let methods = 0;
  for (const [what, object] of Object.entries(objects)) {
    for (const name of methodsOf(object)) {
      methods += 1;
      const method = (object as Record<string, (...args: unknown[]) => unknown>)[name]!;
      await taint(`${what}.${name}`, (args) => method.apply(object, args));
    }
  }
  return methods;
}

test("no export shows what it is given in what it throws", async () => {
  traces.length = 0;
  failures = 0;
  let calls = 0;
  for (const [entry, exported] of Object.entries(ENTRIES)) {
    for (const [name, value] of Object.entries(exported)) {
      if (typeof value !== "function") continue;
      calls += 1;
      const isClass = /^class\b/.test(Function.prototype.toString.call(value));
      // What makes errors is given its message.
      if (isClass && value.prototype instanceof Error) continue;
      await taint(`${entry}.${name}`, (args) =>
        isClass ? Reflect.construct(value, args) : Reflect.apply(value, undefined, args),
      );
    }
  }
  expect(calls).toBeGreaterThan(50);
  expect(failures).toBeGreaterThan(calls);
  expect([...traces, ...tracesIn("streams", written, [ofText("secret", secret)])]).toEqual([]);
});

test("no method of a vault, a host, a lease, a client or their parts shows what it is given in what it throws", async () => {
  traces.length = 0;
  failures = 0;
  const vault = await openTestVault();
  const server = await startServer({ host: await openTestHost({ path: freshPath() }) });
  const client = new root.Vault({ apiKey: server.key, baseUrl: server.url, maxRetries: 0 });
  const host = await openTestHost();
  const session = await sessionOf(host);
  const methods = await taintMethods({
    vault,
    "vault.keks": vault.keks,
    lease: await vault.lease(CONTEXT),
    "data key": await vault.createDataKey({ context: CONTEXT }),
    client,
    "client.keks": client.keks,
    "client lease": await client.lease(CONTEXT),
    "host.apiKeys": host.apiKeys,
    "host.webhooks": host.webhooks,
    "host.events": host.events,
    "session.keys": session.keys,
    "session.kv": session.kv,
    "session.keks": session.keks,
    "WorkOS.vault": new workos.WorkOS(server.key, {
      apiHostname: "127.0.0.1",
      port: Number(new URL(server.url).port),
      https: false,
    }).vault,
  });
  await host.close();
  expect(methods).toBeGreaterThan(80);
  expect(failures).toBeGreaterThan(methods);
  const log = server.log.map((entry) => inspect(entry, { depth: 10 })).join("\n");
  expect(server.log.length).toBeGreaterThan(20);
  expect([
    ...traces,
    ...tracesIn("log", log, [ofText("secret", secret)]),
    ...tracesIn("streams", written, [ofText("secret", secret)]),
  ]).toEqual([]);
}, 60_000);

test("no verb of the command shows what it is given in what it says", () => {
  const directory = freshDirectory();
  const { status, stderr } = spawnSync(process.execPath, [EVERY_VERB, secret], {
    cwd: directory,
    env: { PATH: process.env.PATH, COFFER_VAULT: join(directory, "vault.db") },
    encoding: "utf8",
    maxBuffer: 64 * 1_024 * 1_024,
  });
  expect([status, stderr.match(/(\d+) verbs/)?.[1]]).toEqual([0, expect.stringMatching(/^[3-9]\d$/)]);
  const lines = stderr.split("\n");
  expect(lines.length).toBeGreaterThan(200);
  expect(lines.flatMap((line) => tracesIn(line, line, [ofText("secret", secret)]))).toEqual([]);
}, 60_000);
