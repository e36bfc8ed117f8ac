/** `coffer recipients` and `coffer seal`, run as a process. */
import { statSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { CANARY, workplace } from "../support/cli.ts";
import { startServer } from "../support/server.ts";

const SECRET = `s3cret ${CANARY}`;
const ORG_1 = ["--context", "organization_id=org_1"];

test("a value is sealed without the vault, decrypted by it, absorbed, and shredded with its recipient", async () => {
  const { run, out, json, path } = workplace();
  await out(["encrypt", SECRET, ...ORG_1]);
  const made = await json(["recipients", "create", ...ORG_1]);
  expect(made).toMatchObject({ context: { organization_id: "org_1" }, suite: "x25519", state: "active" });
  expect(await out(["recipients", "list"])).toMatch(
    new RegExp(`^${made.id} +x25519 +active +1 +organization_id=org_1$`, "m"),
  );
  const text = await out(["recipients", "export", made.id, "--valid", "7d"]);
  const document = JSON.parse(text);
  expect(Date.parse(document.expires_at) - Date.parse(document.issued_at)).toBe(7 * 86_400_000);
  writeFileSync(path("recipient.json"), text);

  const nowhere = { env: { COFFER_VAULT: "" } };
  const seal = ["seal", SECRET, "--recipient", path("recipient.json"), "--aad", "form"];
  const sealed = await out([...seal, "--signer", document.signer, "--layout", "iv12"], nowhere);
  expect(await out(["inspect"], { stdin: sealed })).toContain(made.id);
  expect(await out(["decrypt", "--aad", "form"], { stdin: sealed })).toBe(SECRET);
  const absorbed = await out(["rewrap"], { stdin: sealed });
  expect(await out(["decrypt", "--aad", "form"], { stdin: absorbed })).toBe(SECRET);

  expect(await out(["recipients", "rotate", made.id])).toMatch(/^2 +active/m);
  expect(await out(["recipients", "disable", made.id, "--version", "1", "--field", "state"])).toBe("active");
  expect(await out(["recipients", "enable", made.id])).toMatch(/^1 +decrypt-only/m);
  const unasked = await run(["recipients", "shred", made.id]);
  expect(unasked).toMatchObject({ code: 1, out: "" });
  expect(await out(["recipients", "shred", made.id, "--yes"])).toMatch(/^state +destroyed$/m);
  expect((await run(["decrypt", "--aad", "form"], { stdin: sealed })).err).toContain("(ERR_KEY_DESTROYED)");
  expect(await out(["decrypt", "--aad", "form"], { stdin: absorbed })).toBe(SECRET);
});

test("recipients of a server are looked after by the same commands", async () => {
  const { run, out, json } = workplace();
  const server = await startServer();
  const there = { env: { COFFER_BASE_URL: server.url, COFFER_API_KEY: server.key, COFFER_VAULT: "" } };
  const { id } = await json(["recipients", "create", ...ORG_1], there);
  expect(await out(["recipients", "list"], there)).toMatch(new RegExp(`^${id} +x25519 +active +1 `, "m"));
  const document = await json(["recipients", "export", id, "--valid", "7d"], there);
  expect(Date.parse(document.expires_at) - Date.parse(document.issued_at)).toBe(7 * 86_400_000);
  expect(await out(["recipients", "rotate", id], there)).toMatch(/^2 +active/m);
  expect(await out(["recipients", "disable", id, "--field", "state"], there)).toBe("disabled");
  expect(await out(["recipients", "enable", id, "--field", "state"], there)).toBe("active");
  expect(await out(["recipients", "shred", id, "--yes", "--field", "state"], there)).toBe("destroyed");
  const reader = { env: { ...there.env, COFFER_API_KEY: await server.apiKey(["decrypt"]) } };
  expect((await run(["recipients", "list"], reader)).err).toContain("(ERR_SERVICE_FORBIDDEN)");
  const twice = ["recipients", "list", "--server", server.url, "--database", "postgres://x/y"];
  expect((await run(twice, there)).err).toContain("(ERR_USAGE)");
});

test("an environment-wide recipient is made by name, sealed to with a context, and named by a shred ([SDK-40], [SDK-42], [SDK-45])", async () => {
  const { run, out, json, path } = workplace();
  await out(["encrypt", SECRET, ...ORG_1]);
  const made = await json(["recipients", "create", "--environment-wide"]);
  expect(made).toMatchObject({ context: null, state: "active" });
  expect((await run(["recipients", "create", "--environment-wide", ...ORG_1])).err).toContain("(ERR_USAGE)");
  expect(await out(["recipients", "list"])).toMatch(
    new RegExp(`^${made.id} +x25519 +active +1 +\\(environment-wide\\)$`, "m"),
  );
  writeFileSync(path("recipient.json"), await out(["recipients", "export", made.id]));
  const seal = ["seal", SECRET, "--recipient", path("recipient.json")];
  const nowhere = { env: { COFFER_VAULT: "" } };
  const unstated = await run(seal, nowhere);
  expect([unstated.code, unstated.out]).toEqual([1, ""]);
  expect(unstated.err).toContain("environment-wide");
  const sealed = await out([...seal, ...ORG_1], nowhere);
  expect(await out(["decrypt", "--expect-context", "organization_id=org_1"], { stdin: sealed })).toBe(SECRET);
  const notCovered = new RegExp(`^not covered +1 environment-wide recipients: .*\n +${made.id}$`, "m");
  expect(await out(["keys", "shred", "organization_id=org_1", "--yes"])).toMatch(notCovered);
  expect((await run(["decrypt"], { stdin: sealed })).err).toContain("(ERR_KEY_DESTROYED)");
});

test("a document comes from a server too; what is no document seals nothing", async () => {
  const { run, out, path } = workplace();
  const server = await startServer();
  const { body } = await server.call("POST", "/coffer/v1/recipients", {
    context: { organization_id: "org_1" },
  });
  const url = `${server.url}/coffer/v1/recipients/${body.id}`;
  const trusted = await run(["seal", SECRET, "--recipient", url]);
  expect(trusted).toMatchObject({ code: 0 });
  expect(trusted.err).toMatch(/--signer [\w+/]{43}= pins its signer/);
  const sealed = trusted.out;
  const opened = await out(["decrypt", "--server", server.url], {
    stdin: sealed,
    env: { COFFER_API_KEY: server.key, COFFER_VAULT: "" },
  });
  expect(opened).toBe(SECRET);
  writeFileSync(path("bad.json"), '{"type":"coffer-recipient-v1"}');
  writeFileSync(path("binary"), Uint8Array.of(0xff));
  for (const [place, code] of [
    [path("bad.json"), "ERR_RECIPIENT_INVALID"],
    [path("binary"), "ERR_RECIPIENT_INVALID"],
    [path("none"), "ERR_INPUT_UNREADABLE"],
    [`${url}x`, "ERR_KEY_NOT_FOUND"],
    ["http://vault.example/x", "ERR_USAGE"],
    ["ftp://vault.example/x", "ERR_USAGE"],
    ["http://127.0.0.1:1/x", "ERR_SERVICE_UNAVAILABLE"],
  ] as const) {
    const ran = await run(["seal", SECRET, "--recipient", place]);
    expect([place, ran.out, ran.err.includes(`(${code})`)]).toEqual([place, "", true]);
  }
  expect((await run(["seal", SECRET])).err).toContain("(ERR_USAGE)");
});

test("senders are made, listed, revoked and renewed, and who sealed is told ([SDK-54], [SDK-55])", async () => {
  const { run, out, json, path } = workplace();
  const nowhere = { env: { COFFER_VAULT: "" } };
  await out(["encrypt", SECRET, ...ORG_1]);
  const { id } = await json(["recipients", "create", ...ORG_1]);
  writeFileSync(path("recipient.json"), await out(["recipients", "export", id]));
  const publicKey = (await out(["recipients", "senders", "keygen", path("sender.key")], nowhere)).trim();
  expect(await out(["recipients", "senders", "public-key", path("sender.key")], nowhere)).toContain(
    publicKey,
  );
  if (process.platform !== "win32") expect(statSync(path("sender.key")).mode & 0o777).toBe(0o600);
  const again = await run(["recipients", "senders", "keygen", path("sender.key")], nowhere);
  expect([again.code, again.err.includes("(ERR_OUTPUT_EXISTS)")]).toEqual([1, true]);

  const add = ["recipients", "senders", "add", id, "Partner Ltd", "--public-key", publicKey];
  const sender = await json([...add, "--valid", "2d"]);
  expect(sender).toMatchObject({ recipientId: id, name: "Partner Ltd", publicKey, revokedAt: null });
  expect(await out(["recipients", "require-sender", id])).toMatch(/^sender +demanded$/m);
  expect(await out(["recipients", "senders", "list", id])).toMatch(
    new RegExp(`^${sender.id} +valid +${sender.expiresAt} +Partner Ltd$`, "m"),
  );
  const seal = ["seal", SECRET, "--recipient", path("recipient.json")];
  const unsigned = await out(seal, nowhere);
  const signed = await out([...seal, "--sender-key", path("sender.key")], nowhere);
  expect(await out(["inspect"], { stdin: signed })).toMatch(new RegExp(`^sender +${sender.id}$`, "m"));
  const opened = await run(["decrypt"], { stdin: signed });
  expect([opened.out, opened.err.includes(`signed by the sender ${sender.id}`)]).toEqual([SECRET, true]);
  const told = await json(["decrypt"], { stdin: signed });
  expect(told).toEqual({
    plaintext: SECRET,
    encoding: "utf-8",
    dataKeyId: (await json(["inspect"], { stdin: signed })).keyBlob.dataKeyId,
    sender: sender.id,
  });
  const refused = await run(["decrypt"], { stdin: unsigned });
  expect([refused.code, refused.out, refused.err.includes("(ERR_SENDER_REFUSED)")]).toEqual([2, "", true]);

  expect(await out(["recipients", "senders", "revoke", id, sender.id])).toMatch(/^state +revoked$/m);
  expect((await run(["decrypt"], { stdin: signed })).err).toContain("(ERR_SENDER_REFUSED)");
  expect(await out(["recipients", "senders", "renew", id, sender.id])).toMatch(/^expires +never$/m);
  expect(await out(["recipients", "require-sender", id, "--off"])).not.toContain("demanded");
  expect(await json(["decrypt"], { stdin: unsigned })).toMatchObject({ plaintext: SECRET, sender: null });
});

test("what is no sender's key signs nothing, and no sender is added without one", async () => {
  const { run, out, json, path } = workplace();
  await out(["encrypt", SECRET, ...ORG_1]);
  const { id } = await json(["recipients", "create", ...ORG_1]);
  writeFileSync(path("recipient.json"), await out(["recipients", "export", id]));
  writeFileSync(path("short.key"), "AAAA\n");
  for (const [place, code] of [
    [path("short.key"), "ERR_USAGE"],
    [path("none.key"), "ERR_INPUT_UNREADABLE"],
  ] as const) {
    const ran = await run(["seal", SECRET, "--recipient", path("recipient.json"), "--sender-key", place]);
    expect([place, ran.out, ran.err.includes(`(${code})`)]).toEqual([place, "", true]);
  }
  const add = ["recipients", "senders", "add", id, "x"];
  expect((await run(add)).err).toContain("(ERR_USAGE)");
  expect((await run(["recipients", "senders", "list", "x"])).err).toContain("(ERR_KEY_NOT_FOUND)");
});

test("senders of a server's recipients are looked after by the same commands", async () => {
  const { out, json, path } = workplace();
  const server = await startServer();
  const there = { env: { COFFER_BASE_URL: server.url, COFFER_API_KEY: server.key, COFFER_VAULT: "" } };
  const { id } = await json(["recipients", "create", ...ORG_1, "--require-sender"], there);
  const publicKey = (await out(["recipients", "senders", "keygen", path("sender.key")])).trim();
  const sender = await json(["recipients", "senders", "add", id, "x", "--public-key", publicKey], there);
  writeFileSync(path("recipient.json"), await out(["recipients", "export", id], there));
  const seal = ["seal", SECRET, "--recipient", path("recipient.json"), "--sender-key", path("sender.key")];
  const signed = await out(seal, there);
  expect(await json(["decrypt"], { ...there, stdin: signed })).toMatchObject({ sender: sender.id });
  expect(await out(["recipients", "senders", "revoke", id, sender.id], there)).toMatch(/^state +revoked$/m);
  expect(await out(["recipients", "senders", "list", id], there)).toMatch(/ revoked +never +x$/m);
});
