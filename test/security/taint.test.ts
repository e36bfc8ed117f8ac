/**
 * A taint scan: canaries go in wherever a secret goes in, and are looked for in every encoding wherever something comes
 * out: logs, errors, metrics, events, files, printed objects; of an embedded vault, a server and the command.
 *
 * Owns what goes in and where it is looked for. Encodings are in support/taint.ts.
 */
import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { inspect } from "node:util";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { hash } from "../../src/crypto/primitives/hash.ts";
import { OPERATIONS } from "../../src/server/operations/index.ts";
import { fromBase64 } from "../support/bytes.ts";
import { workplace } from "../support/cli.ts";
import { startServer } from "../support/server.ts";
import { type Canary, canaryText, encodingsOf, ofText, type Trace, tracesIn } from "../support/taint.ts";
import { filesOf, freshPath, openTestHost, openTestVault, ROOT_KEY, sessionOf } from "../support/vaults.ts";

/** Every way to make a text of a value. */
function printed(value: unknown): string {
  const all = { depth: 10, showHidden: true, getters: true, maxArrayLength: null, maxStringLength: null };
  const ways = [
    () => inspect(value),
    () => inspect(value, all),
    () => inspect(value, { ...all, customInspect: false }),
    () => String(value),
    () => JSON.stringify(value) ?? "",
    () => (value instanceof Error ? `${value.message}\n${value.stack}\n${inspect(value.cause)}` : ""),
    () => inspect(structuredClone(value), all),
  ];
  return ways
    .map((way) => {
      try {
        return way();
      } catch {
        return ""; // What cannot be printed so shows nothing.
      }
    })
    .join("\n");
}

/** What is derived while a test runs, and from what: root key, KEKs, wrapping keys. */
let keys: Canary[] = [];
let written = "";

beforeEach(() => {
  keys = [];
  written = "";
  const { hkdf } = hash;
  vi.spyOn(hash, "hkdf").mockImplementation((...args) => {
    const out = Reflect.apply(hkdf, hash, args);
    const info = Buffer.from(args[3]).toString();
    keys.push({ name: `input of ${info}`, bytes: Uint8Array.from(args[1]) });
    keys.push({ name: `key of ${info}`, bytes: Uint8Array.from(out) });
    return out;
  });
  for (const stream of [process.stdout, process.stderr]) {
    vi.spyOn(stream, "write").mockImplementation((chunk) => {
      written += typeof chunk === "string" ? chunk : Buffer.from(chunk).toString("latin1");
      return true;
    });
  }
});

afterEach(() => {
  vi.restoreAllMocks();
});

/** The error of a call that has to fail. */
async function failed(call: () => unknown): Promise<unknown> {
  try {
    await call();
  } catch (error) {
    return error;
  }
  throw new Error("a call that was to fail did not");
}

test("the scan finds a canary in every encoding, wherever it stands in a longer text", () => {
  for (const bytes of [randomBytes(32), Buffer.from(canaryText("x")), randomBytes(31)]) {
    const canary = { name: "canary", bytes };
    for (const { needle, encoding } of encodingsOf(bytes)) {
      const out = Buffer.concat([Buffer.from("before"), needle, Buffer.from("after")]);
      expect(tracesIn("here", out, [canary])).toContainEqual({ sink: "here", canary: "canary", encoding });
    }
    for (let offset = 0; offset < 9; offset++) {
      const inside = Buffer.concat([randomBytes(offset), bytes, randomBytes(5)]);
      for (const encoding of ["base64", "base64url", "hex", "latin1"] as const) {
        const out = Buffer.from(inside.toString(encoding), encoding === "latin1" ? "latin1" : "utf8");
        expect(tracesIn("here", out, [canary])).not.toEqual([]);
      }
    }
    expect(
      tracesIn("here", inspect(new Uint8Array(bytes), { maxArrayLength: null }).replaceAll(/\s+/g, " "), [
        canary,
      ]),
    ).not.toEqual([]);
    expect(tracesIn("here", randomBytes(4096), [canary])).toEqual([]);
  }
});

test("an embedded vault shows no secret in files, events, errors, printed objects or on its streams", async () => {
  const path = freshPath();
  const [plaintext, value, changed, org] = ["plain", "value", "changed", "org"].map(canaryText) as [
    string,
    string,
    string,
    string,
  ];
  const secrets: Canary[] = [
    ofText("plaintext", plaintext),
    ofText("stored value", value),
    ofText("changed value", changed),
    { name: "root key", bytes: fromBase64(ROOT_KEY) },
  ];
  const contexts = [ofText("context value", org)];
  const keyContext = { organization_id: org };
  const shown: [string, string][] = [];
  const show = (what: string, it: unknown): void => void shown.push([what, printed(it)]);

  const vault = await openTestVault({ path, onNotice: (notice) => show("notice", notice) });
  const made = await vault.createDataKey({ context: keyContext });
  secrets.push({ name: "data key", bytes: fromBase64(made.dataKey) });
  const unwrapped = await vault.createDecrypt({ keys: made.encryptedKeys });
  const text = await vault.encrypt(plaintext, keyContext, "associated");
  const native = await vault.encrypt(plaintext, keyContext, "", { layout: "native" });
  const lease = await vault.lease(keyContext);
  const leased = lease.encryptSync(plaintext);
  await vault.decrypt(text, "associated");
  const moved = await vault.rekey(text, { organization_id: `${org}2` });
  const { id } = await vault.createKv({ name: "n", value, keyContext });
  await vault.updateKv({ id, value: changed });
  await vault.getKv({ id });
  const failures = [
    () => vault.decrypt(text, plaintext),
    () => vault.decrypt(`${text.slice(0, -8)}AAAAAAA=`, "associated"),
    () => vault.decrypt(plaintext),
    () => vault.decrypt(native, plaintext),
    () => vault.encrypt(plaintext, { [org]: 7 as never }),
    () => vault.encrypt(plaintext, { a: `${org}\ud800` }),
    () => vault.encrypt(`${plaintext}\ud800`, keyContext),
    () => vault.encrypt(7 as never, keyContext),
    () => vault.encrypt(plaintext, keyContext, "", { layout: plaintext as never }),
    () => vault.encrypt(plaintext, keyContext, "", { unknown: value } as never),
    () => vault.createDecrypt({ keys: plaintext }),
    () => vault.createDecrypt({ keys: made.dataKey }),
    () => vault.createKv({ name: "n", value, keyContext }),
    () => vault.updateKv({ id, value: changed, versionCheck: value }),
    () => vault.createKv({ name: "m", value: `${value}\ud800`, keyContext }),
    () => vault.keks.rotate({ name: "organization_id", value: `${org}3` }),
    () => lease.decryptSync(text, plaintext),
    () => lease.decryptSync(leased, plaintext),
    () => openTestVault({ path, rootKey: plaintext }),
    () => openTestVault({ path, rootKey: made.dataKey }),
  ];
  for (const [index, call] of failures.entries()) show(`error ${index}`, await failed(call));
  for (const [what, it] of Object.entries({ vault, made, unwrapped, lease, keks: vault.keks, path })) {
    // Its owner asks a data key for itself and its context: those getters are the answer.
    shown.push([what, [inspect(it), String(it), JSON.stringify(it) ?? ""].join("\n")]);
  }
  await vault.keks.rotate({ name: "organization_id", value: org });
  await vault.keks.shred({ name: "organization_id", value: `${org}2` });
  show("error after a shred", await failed(() => vault.decrypt(moved, "associated")));
  lease.dispose();
  show("error after a dispose", await failed(() => lease.encryptSync(plaintext)));
  await vault.close();

  const host = await openTestHost({ path });
  const session = await sessionOf(host);
  const events = await host.events.list(session.environmentId, { limit: 100 });
  await host.close();
  const files = filesOf(path);
  const all = [...secrets, ...keys];
  // KEKs are joined where a key is derived from several; here each context has one.
  expect(keys.length).toBeGreaterThan(10);
  expect(files.includes(Buffer.from(org))).toBe(true);
  const traces: Trace[] = [
    ...tracesIn("files", files, all),
    ...tracesIn("events", JSON.stringify(events), all),
    ...tracesIn("streams", written, [...all, ...contexts]),
    ...shown.flatMap(([what, out]) => tracesIn(what, out, [...all, ...contexts])),
  ];
  expect(traces).toEqual([]);
});

test("a server shows no secret in log, metrics, events, refusals or files", async () => {
  const path = freshPath();
  const server = await startServer({ host: await openTestHost({ path }) });
  const [value, org, key, foreign] = ["value", "org", "retry", "foreign"].map(canaryText) as [
    string,
    string,
    string,
    string,
  ];
  const secrets: Canary[] = [
    ofText("stored value", value),
    ofText("API key", server.key),
    ofText("foreign API key", foreign),
    ofText("idempotency key", key),
    { name: "root key", bytes: fromBase64(ROOT_KEY) },
  ];
  const contexts = [ofText("context value", org)];
  const context = { organization_id: org };
  const refusals: string[] = [];
  const ask = async (method: string, target: string, body?: unknown, options: object = {}) => {
    const answer = await server.call(method, target, body, {
      headers: { "idempotency-key": key },
      ...options,
    });
    const head = JSON.stringify([...answer.headers]);
    refusals.push(answer.status >= 400 ? head + answer.text : head);
    return answer;
  };
  const made = await ask("POST", "/vault/v1/keys/data-key", { context });
  secrets.push({ name: "data key", bytes: fromBase64(made.body.data_key) });
  await ask("POST", "/vault/v1/keys/decrypt", { keys: made.body.encrypted_keys });
  const created = await ask("POST", "/coffer/v1/kv", { name: "n", value, key_context: context });
  expect([made.status, created.status]).toEqual([200, 201]);
  const webhook = await ask("POST", "/coffer/v1/webhooks", { url: "https://example.com/hook", kinds: [] });
  if (webhook.status < 300) secrets.push(ofText("webhook secret", webhook.body.secret));
  await ask("POST", "/coffer/v1/kv", { name: "n", value, key_context: context }, { headers: {} });
  for (const operation of OPERATIONS) {
    const target = operation.path.replaceAll(/\{\w+\}/g, "secret_0");
    const body = operation.bodySchema === undefined ? undefined : { value, keys: value, context, name: 7 };
    await ask(operation.method, `${target}?value=${value}`, body);
    await ask(operation.method, target, body, { key: foreign });
    if (operation.method !== "GET") await ask(operation.method, target, undefined, { raw: `{"${value}": ` });
  }
  await ask("POST", "/vault/v1/keys/decrypt", { keys: made.body.data_key });
  const metrics = (await server.call("GET", "/metrics")).text;
  expect(metrics).toContain("/vault/v1/keys/decrypt");
  const events = (await server.call("GET", "/coffer/v1/events?limit=100")).text;
  expect(events).toContain("vault.dek");
  const all = [...secrets, ...keys];
  expect(server.log.length).toBeGreaterThan(OPERATIONS.length);
  const traces: Trace[] = [
    ...tracesIn("log", server.log.map((entry) => printed(entry)).join("\n"), [...all, ...contexts]),
    ...tracesIn("streams", written, [...all, ...contexts]),
    ...tracesIn("metrics", metrics, [...all, ...contexts]),
    ...tracesIn("refusals", refusals.join("\n"), [...all, ...contexts]),
    ...tracesIn("events", events, all),
    ...tracesIn("files", filesOf(path), all),
    ...tracesIn("host", inspect(server.host, { depth: 10, showHidden: true }), [...all, ...contexts]),
  ];
  expect(traces).toEqual([]);
});

test("the command shows a secret where it was asked for it, and in no note, error or file", async () => {
  const { run, out, path, directory } = workplace();
  const [plaintext, value, org] = ["plain", "value", "org"].map(canaryText) as [string, string, string];
  writeFileSync(path("given"), plaintext);
  const context = ["--context", `organization_id=${org}`];
  const ciphertext = (await out(["encrypt", "@given", ...context])).trim();
  const said: string[] = [];
  const say = async (args: readonly string[], stdin?: string): Promise<void> => {
    const ran = await run(args, { stdin });
    // What succeeds has answered what it was asked for.
    said.push(ran.err, ran.code === 0 ? "" : ran.out);
  };
  expect(await out(["decrypt"], { stdin: ciphertext })).toBe(plaintext);
  await out(["kv", "put", "n", ...context], { stdin: value });
  const created = await out(["data-key", "create", ...context, "--show-key"]);
  const { dataKey, encryptedKeys } = JSON.parse(created) as { dataKey: string; encryptedKeys: string };
  await Promise.all([
    say(["decrypt", "--aad", value], ciphertext),
    say(["decrypt", plaintext]),
    say(["decrypt"], `${ciphertext.slice(0, -8)}AAAAAAA=`),
    say(["encrypt", plaintext, "--context", org]),
    say(["encrypt", plaintext, "--context", `${org}=`]),
    say(["kv", "put", "n", "--create-only", ...context], value),
    say(["kv", "get", "absent"]),
    say(["inspect", plaintext]),
    say(["data-key", "decrypt", dataKey]),
    say(["data-key", "rekey", encryptedKeys, "--context", `${org}=`]),
    say(["decrypt", `--${plaintext}`]),
    say(["rekey", ciphertext, "--context", "organization_id="]),
  ]);
  const secrets = [ofText("plaintext", plaintext), ofText("stored value", value)];
  secrets.push({ name: "data key", bytes: fromBase64(dataKey) });
  const names = readdirSync(directory).filter(
    (name) => name.startsWith("vault.db") && !name.endsWith("root-key"),
  );
  expect(names).toContain("vault.db");
  const traces = [
    ...tracesIn("messages", said.join("\n"), [...secrets, ofText("context value", org)]),
    ...names.flatMap((name) => tracesIn(name, readFileSync(join(directory, name)), secrets)),
  ];
  expect(traces).toEqual([]);
}, 60_000);
