/**
 * Vault over HTTP, against a coffer server that runs.
 *
 * Portable; must not know where the server is.
 *
 * @module
 */
import { decodeBase64 } from "../../../src/base/base64.ts";
import type { DataKey } from "../../../src/crypto/keys/data-key.ts";
import type { NativeReader } from "../../../src/crypto/native/range.ts";
import { uuidToText, uuidV4 } from "../../../src/crypto/primitives/uuid.ts";
import { inspect, isVaultError, Vault, VaultError } from "../../../src/index.ts";
import type { Lease } from "../../../src/keys/lease.ts";
import { sync } from "./coffer.ts";
import { byteStream, type Context } from "./context.ts";

export async function checkVault({ checks, input }: Context): Promise<void> {
  const { name } = input;
  const { apiKey, url: baseUrl } = input.server;
  const context = { organization_id: `org-${name}`, region: "eu" };
  using vault = new Vault({ apiKey, baseUrl, sync: sync() });

  using key = await vault.createDataKey({ context });
  using again = await vault.decryptDataKey({ keys: key.encryptedKeys });
  checks.same([again.id, again.dataKey], [key.id, key.dataKey], "a data key there and back");
  using moved = await vault.createRekey({
    context: { organization_id: "moved" },
    encryptedKeys: key.encryptedKeys,
  });
  checks.same(moved.dataKey, key.dataKey, "a data key moved");

  for (const layout of ["iv12", "leb-first", "dotnet", "native"] as const) {
    for (const text of ["", "s3cret", "\u{feff}ü 🔐", "x".repeat(5000)]) {
      const sealed = await vault.encrypt(text, context, "user:42", { layout });
      checks.same(inspect(sealed).layout, layout, "layout");
      checks.same(await vault.decrypt(sealed, "user:42"), text, `${layout}: opens`);
      checks.same(await vault.decrypt(sealed, "user:42", { context }), text, `${layout}: of this context`);
      // A second time from the cache, and by a vault that has none.
      checks.same(await vault.decrypt(sealed, "user:42"), text, `${layout}: opens again`);
      using fresh = new Vault({ apiKey, baseUrl, sync: sync(), cache: { maxEntries: 0 } });
      const to = await vault.rekey(sealed, { organization_id: "other" });
      checks.ok(to !== sealed, `${layout}: is moved`);
      checks.same(await fresh.decrypt(to, "user:42"), text, `${layout}: opens after its move`);
      const elsewhere = (): unknown => fresh.decrypt(to, "user:42", { context });
      await checks.refuses("ERR_DECRYPT_FAILED", elsewhere, `${layout}: of another context`);
      const wrong = (): unknown => vault.decrypt(sealed, "user:43");
      await checks.refuses("ERR_DECRYPT_FAILED", wrong, `${layout}: other associated data`);
    }
  }

  const many = await vault.encryptMany(["a", "b", "ü"], context, "aad");
  const opened = await vault.decryptMany(
    many.map((item) => (item.ok ? item.value : "")),
    "aad",
  );
  checks.same(
    opened.map((item) => item.ok && item.value),
    ["a", "b", "ü"],
    "a batch",
  );
  await checkDisposal(checks, vault, { apiKey, baseUrl }, context);
  using lease = await vault.lease(context);
  checks.same(await vault.decrypt(lease.encryptSync("of a lease")), "of a lease", "a lease");

  if (input.expected.lacksStreams !== true) await checkStream(checks, vault, context);
  await checkStore(checks, vault, name, context);
  await checkErrors(checks, vault, apiKey, baseUrl);
}

async function checkStream(
  checks: Context["checks"],
  vault: Vault,
  context: Record<string, string>,
): Promise<void> {
  const data = byteStream(13)(100_000);
  const stream = new Blob([data])
    .stream()
    .pipeThrough(vault.encryptStream(context) as never)
    .pipeThrough(vault.decryptStream() as never) as ReadableStream<Uint8Array>;
  checks.bytes(new Uint8Array(await new Response(stream as never).arrayBuffer()), data, "a stream");
}

/**
 * What holds keys has `dispose` everywhere, stands under `Symbol.dispose` where the engine has that, and under the
 * registered symbol that compilers of `using` look for where it has not.
 */
async function checkDisposal(
  checks: Context["checks"],
  vault: Vault,
  service: { readonly apiKey: string; readonly baseUrl: string },
  context: Record<string, string>,
): Promise<void> {
  const symbol: symbol = Symbol.dispose ?? Symbol.for("Symbol.dispose");
  const sealed = await vault.encrypt("kept", context, "", { layout: "native" });
  const bytes = decodeBase64(sealed)!;
  const makers = {
    "a vault": async () => new Vault(service),
    "a data key": () => vault.createDataKey({ context }),
    "a lease": () => vault.lease(context),
    "a reader": () => vault.openNativeSource(bytes),
  };
  for (const [what, make] of Object.entries(makers)) {
    for (const name of ["dispose", symbol] as const) {
      const held = (await make()) as unknown as Record<string | symbol, () => void>;
      checks.same(typeof held[name], "function", `${what} has ${String(name)}`);
      held[name]?.();
      const after = (): unknown => useOf(held as never);
      await checks.refuses("ERR_DISPOSED", after, `${what} after ${String(name)}`);
      checks.ok(!("undefined" in held), `${what} has no method called undefined`);
    }
  }
}

/** Uses an object that holds keys, whichever of the four it is. */
function useOf(held: object): unknown {
  if (held instanceof Vault) return held.encrypt("a", { organization_id: "org_1" });
  if ("encrypt" in held) return (held as Lease).encrypt("a");
  if ("read" in held) return (held as NativeReader).read(0, 1);
  return (held as DataKey).dataKey;
}

async function checkStore(
  checks: Context["checks"],
  vault: Vault,
  prefix: string,
  keyContext: Record<string, string>,
): Promise<void> {
  const name = `${prefix}/tökén`;
  const { id } = await vault.createKv({ name, value: "\u{feff}first", keyContext });
  checks.same((await vault.getKv({ id })).value, "\u{feff}first", "a stored value");
  const object = await vault.getName({ name });
  checks.same([object.id, object.name, object.value], [id, name, "\u{feff}first"], "by its name");
  await vault.updateKv({ id, value: "second 🔐" });
  checks.same((await vault.getKv({ id })).value, "second 🔐", "a new version");
  checks.same((await vault.listKvVersions({ id })).data.length, 2, "versions");
  const conflict = (): unknown => vault.updateKv({ id, value: "x", versionCheck: uuidToText(uuidV4()) });
  await checks.refuses("ERR_KV_VERSION_CONFLICT", conflict, "a version check");
  const twice = (): unknown => vault.createKv({ name, value: "again", keyContext });
  await checks.refuses("ERR_KV_EXISTS", twice, "a name that is taken");
  const names: string[] = [];
  for await (const { name: listed } of vault.listKv({ limit: 2, search: `${prefix}/` })) names.push(listed);
  checks.same(names, [name], "the list");
  checks.same(await vault.deleteKv({ id }), { success: true, name }, "deleted");
  await checks.refuses("ERR_KV_NOT_FOUND", () => vault.getKv({ id }), "a deleted value");
}

async function checkErrors(
  checks: Context["checks"],
  vault: Vault,
  apiKey: string,
  baseUrl: string,
): Promise<void> {
  const context = { organization_id: "org_1" };
  using stranger = new Vault({ apiKey: `${apiKey.slice(0, -2)}xx`, baseUrl, maxRetries: 0 });
  await checks.refuses(
    "ERR_SERVICE_UNAUTHENTICATED",
    () => stranger.encrypt("a", context),
    "a wrong API key",
  );
  const controller = new AbortController();
  controller.abort();
  const aborted = controller.signal;
  try {
    await vault.encrypt("a", context, "", { signal: aborted });
    checks.fail("an aborted call ends well");
  } catch (error) {
    checks.ok(error === aborted.reason, "an aborted call rejects with the reason");
  }
  await checks.refuses("ERR_KEY_CONTEXT_INVALID", () => vault.encrypt("a", {}), "no context");
  try {
    await vault.decrypt("bm90aGluZw==");
    checks.fail("nothing is decrypted");
  } catch (error) {
    checks.ok(
      error instanceof VaultError && isVaultError(error, "ERR_NOT_CIPHERTEXT"),
      "an error of this class",
    );
    checks.ok(!JSON.stringify(error).includes("bm90"), "an error that quotes nothing");
  }
}
