/**
 * The driver of `@workos-inc/node`, unmodified: only host, port and https are other than with WorkOS.
 *
 * Owns the checks of WorkOS's own live suite for its vault (what they expect, none of their code) and the exchange of
 * ciphertexts. `node driver.ts 10.9` or `node driver.ts 11`.
 *
 * @module
 */
import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import { text as readText } from "node:stream/consumers";
import { LISTED, MESSAGES, parseExchanged } from "../protocol.ts";

const version = process.argv[2] === "10.9" ? "10.9" : "11";
const { WorkOS } = await (version === "10.9" ? import("workos-node-10.9") : import("workos-node-11"));
const url = new URL(process.env.COFFER_INTEROP_URL as string);
const options = { apiHostname: url.hostname, port: Number(url.port), https: false };
const vault = new WorkOS(process.env.COFFER_INTEROP_KEY as string, options).vault;

const CONTEXT = { organization_id: "org_interop" };
const NAME = "a/b é ?&#%";

const say = (...fields: string[]): void => console.log(fields.join("\t"));

async function check(name: string, work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
    say("ok", name);
  } catch (error) {
    say("fail", name, String((error as Error)?.stack ?? error).replaceAll(/\s+/g, " "));
  }
}

const refused = (name: string, status: number) => (error: unknown) => {
  const { name: given, status: said } = error as { name: string; status: number };
  deepStrictEqual({ name: given, status: said }, { name, status });
  return true;
};

let made: Awaited<ReturnType<typeof vault.createObject>>;
await check("create", async () => {
  made = await vault.createObject({ name: NAME, value: "one", context: CONTEXT });
  deepStrictEqual(made.context, CONTEXT);
  for (const field of ["id", "environmentId", "keyId", "versionId"] as const) {
    ok(typeof made[field] === "string" && made[field] !== "", field);
  }
  ok(made.updatedAt instanceof Date && made.updatedAt.getTime() > 0);
  ok(made.updatedBy.id !== "" && made.updatedBy.name !== "");
});
await check("read", async () => {
  const read = await vault.readObject({ id: made.id });
  strictEqual(read.name, NAME);
  strictEqual(read.value, "one");
  deepStrictEqual(read.metadata, made);
});
await check("read by name", async () => {
  const read = await vault.readObjectByName(NAME);
  deepStrictEqual([read.id, read.name, read.value], [made.id, NAME, "one"]);
});
await check("describe", async () => {
  const described = await vault.describeObject({ id: made.id });
  strictEqual(described.value, undefined);
  deepStrictEqual([described.id, described.name, described.metadata], [made.id, NAME, made]);
});
await check("name taken", () =>
  rejects(
    vault.createObject({ name: NAME, value: "two", context: CONTEXT }),
    refused("ConflictException", 409),
  ),
);
let updated: Awaited<ReturnType<typeof vault.updateObject>>;
await check("update", async () => {
  updated = await vault.updateObject({ id: made.id, value: "two" });
  deepStrictEqual([updated.id, updated.name, updated.value], [made.id, NAME, undefined]);
  ok(updated.metadata.versionId !== made.versionId);
  strictEqual((await vault.readObject({ id: made.id })).value, "two");
});
await check("version conflict", async () => {
  const stale = made.versionId as string;
  const current = updated.metadata.versionId as string;
  const wrong = { id: made.id, value: "three", versionCheck: stale };
  await rejects(vault.updateObject(wrong), refused("ConflictException", 409));
  await rejects(vault.deleteObject({ id: made.id, versionCheck: stale }), refused("ConflictException", 409));
  strictEqual((await vault.readObject({ id: made.id })).value, "two");
  updated = await vault.updateObject({ ...wrong, versionCheck: current });
});
await check("versions", async () => {
  const versions = await vault.listObjectVersions({ id: made.id });
  strictEqual(versions.length, 3);
  const current = versions.filter(({ currentVersion }) => currentVersion);
  deepStrictEqual(
    current.map(({ id }) => id),
    [updated.metadata.versionId],
  );
  strictEqual(versions.find(({ id }) => id === made.versionId)?.currentVersion, false);
  for (const { createdAt, size } of versions) ok(createdAt instanceof Date && (size ?? 0) > 0);
});
const names = [NAME];
await check("list by cursor", async () => {
  for (let i = 0; i < LISTED; i++) {
    names.push(`list/${i}`);
    await vault.createObject({ name: `list/${i}`, value: String(i), context: CONTEXT });
  }
  // WorkOS's live suites page by what their server calls `before`.
  const seen: string[] = [];
  let after: string | null | undefined;
  do {
    const page = await vault.listObjects(after ? { limit: 2, after } : { limit: 2 });
    ok(page.data.length > 0 && page.data.length <= 2);
    seen.push(...page.data.map(({ name }) => name));
    after = page.listMetadata.before;
  } while (after);
  deepStrictEqual(seen.sort(), [...names].sort());
});
await check("list all", async () => {
  const everything = async (options: { order?: "asc" | "desc"; search?: string; updatedAfter?: Date }) =>
    (await (await vault.listObjects(options)).autoPagination()).map(({ name }) => name);
  deepStrictEqual(await everything({ order: "asc" }), names);
  deepStrictEqual(await everything({}), [...names].reverse());
  deepStrictEqual(await everything({ search: "list/1", order: "asc" }), [
    "list/1",
    "list/10",
    "list/11",
    "list/12",
  ]);
  deepStrictEqual(await everything({ updatedAfter: new Date(0), order: "asc" }), names);
  deepStrictEqual(await everything({ updatedAfter: new Date("2100-01-01") }), []);
  // With a cursor of one's own, as the walk sends it by itself beyond 100 objects.
  const first = await vault.listObjects({ limit: 5, order: "asc" });
  const rest = await vault.listObjects({ after: first.listMetadata.after as string, order: "asc" });
  deepStrictEqual(
    [...first.data, ...(await rest.autoPagination())].map(({ name }) => name),
    names,
  );
});
await check("delete", async () => {
  strictEqual(
    await vault.deleteObject({ id: made.id, versionCheck: updated.metadata.versionId as string }),
    undefined,
  );
  await rejects(vault.readObject({ id: made.id }), refused("NotFoundException", 404));
  await rejects(vault.readObjectByName(NAME), refused("NotFoundException", 404));
  await rejects(vault.deleteObject({ id: made.id }), refused("NotFoundException", 404));
});
await check("name free again", async () => {
  const again = await vault.createObject({ name: NAME, value: "new", context: CONTEXT });
  ok(again.id !== made.id);
  strictEqual((await vault.readObjectByName({ name: NAME })).value, "new");
});
let key: Awaited<ReturnType<typeof vault.createDataKey>>;
await check("data key", async () => {
  key = await vault.createDataKey({ context: CONTEXT });
  deepStrictEqual(key.context, CONTEXT);
  strictEqual(Buffer.from(key.dataKey.key, "base64").length, 32);
  deepStrictEqual(await vault.decryptDataKey({ keys: key.encryptedKeys }), key.dataKey);
});
await check("rekey", async () => {
  const context = { organization_id: "org_other" };
  const moved = await vault.createRekey({ context, encryptedKeys: key.encryptedKeys });
  deepStrictEqual(moved.context, context);
  ok(moved.encryptedKeys !== key.encryptedKeys);
  strictEqual((await vault.decryptDataKey({ keys: moved.encryptedKeys as string })).key, key.dataKey.key);
});
await check("key that is none", () =>
  // What the SDK's documentation calls a BadRequestException.
  rejects(vault.decryptDataKey({ keys: "AAAA" }), refused("OauthException", 400)),
);
await check("context that may not be", async () => {
  for (const context of [{}, { a: 1 }, { a: "" }]) {
    await rejects(vault.createDataKey({ context }), refused("UnprocessableEntityException", 422));
  }
});
await check("API key that is unknown", () =>
  rejects(new WorkOS("sk_unknown", options).vault.listObjects(), refused("UnauthorizedException", 401)),
);
await check("encrypt and decrypt", async () => {
  for (const { text, associatedData } of MESSAGES) {
    const ciphertext = await vault.encrypt(text, CONTEXT, associatedData);
    strictEqual(await vault.decrypt(ciphertext, associatedData), text);
    say("wrote", ciphertext, text, associatedData);
  }
});
await check("wrong associated data", async () => {
  const ciphertext = await vault.encrypt("s3cret", CONTEXT, "right");
  for (const wrong of ["wrong", undefined]) {
    await rejects(vault.decrypt(ciphertext, wrong), /The operation failed for an operation-specific reason/);
  }
});
await check("open what coffer wrote", async () => {
  const lines = (await readText(process.stdin)).split("\n").filter((line) => line !== "");
  ok(lines.length >= MESSAGES.length);
  for (const line of lines) {
    const { ciphertext, text, associatedData } = parseExchanged(line);
    strictEqual(await vault.decrypt(ciphertext, associatedData), text);
  }
});
