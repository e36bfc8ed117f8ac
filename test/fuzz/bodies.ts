/**
 * Mutated HTTP bodies, for every operation: the server answers none with a 5xx, every refusal has its shape and repeats
 * nothing, and what it takes is JSON.
 *
 * @module
 */
import { createApp } from "../../src/server/app.ts";
import type { CoreRequest } from "../../src/server/core/exchange.ts";
import { OPERATIONS } from "../../src/server/operations/index.ts";
import { PERMISSIONS } from "../../src/vault/index.ts";
import { openFileHost } from "../../src/vault/open-vault.ts";
import type { KeyBlobFuzz } from "./key-blobs.ts";
import { mutateBytes, mutateJson, mutateText, type Pick } from "./mutations.ts";

const CANARY = "canary-5e1f77aa";
const KEY_CONTEXT = { organization_id: CANARY };

/** Bodies that some operation takes, or nearly. */
function bodiesOf(encryptedKeys: string): object[] {
  return [
    { context: KEY_CONTEXT },
    { context: KEY_CONTEXT, count: 3 },
    { keys: encryptedKeys },
    { keys: [encryptedKeys, encryptedKeys] },
    { context: KEY_CONTEXT, encrypted_keys: encryptedKeys },
    { items: [{ context: KEY_CONTEXT, encrypted_keys: encryptedKeys }] },
    { encrypted_keys: [encryptedKeys] },
    { name: "n", value: CANARY, key_context: KEY_CONTEXT },
    { value: CANARY, version_check: null },
    { name: "organization_id", value: "org_2", version: 1, dry_run: true, delay_ms: 0 },
    { versions: ["0"], after: null, limit: 1 },
    { url: "https://example.com/hook", kinds: ["vault.kek.created"] },
  ];
}

/** Opens a server in memory whose bodies are mutated. */
export async function bodyCase(): Promise<KeyBlobFuzz> {
  const rootKey = Buffer.alloc(32, 7).toString("base64");
  const host = await openFileHost({ path: ":memory:", rootKey, onNotice: () => {} });
  const { id: environmentId } = await host.environment("default");
  const { key } = await host.apiKeys.create(environmentId, { name: "fuzz", permissions: PERMISSIONS });
  const app = createApp({ host, log: () => {} });
  const ask = async (method: string, target: string, body: Uint8Array) => {
    const headers: Record<string, string> = {
      authorization: `Bearer ${key}`,
      "content-type": "application/json",
    };
    const request: CoreRequest = {
      method,
      target,
      signal: new AbortController().signal,
      header: (name) => headers[name],
      body: () => body,
    };
    return app.answer(request);
  };
  const context = Buffer.from(JSON.stringify({ context: { organization_id: "org_1" } }));
  const made = await ask("POST", "/vault/v1/keys/data-key", context);
  const { encrypted_keys: encryptedKeys } = JSON.parse(made.body as string) as { encrypted_keys: string };
  const seeds = bodiesOf(encryptedKeys).map((body) => JSON.stringify(body));
  const bytes = seeds.map((text) => Uint8Array.from(Buffer.from(text)));
  const targets = OPERATIONS.filter(({ bodySchema }) => bodySchema !== undefined);
  const run = async (pick: Pick): Promise<string> => {
    const { method, path } = targets[pick(targets.length)]!;
    const which = pick(seeds.length);
    const texts = [
      () => mutateBytes(pick, bytes[which]!, bytes),
      () => Buffer.from(mutateText(pick, seeds[which]!)),
      () => Buffer.from(JSON.stringify(mutateJson(pick, JSON.parse(seeds[which]!)))),
    ];
    const body = Uint8Array.from(texts[pick(texts.length)]!());
    const { status, body: answer } = await ask(method, path.replaceAll(/\{\w+\}/g, "secret_0"), body);
    if (status >= 500) throw new Error(`${method} ${path} answered ${status}`);
    if (status < 400) {
      JSON.parse(Buffer.from(body).toString());
      return String(status);
    }
    const text = answer as string;
    const { error, code, message } = JSON.parse(text) as Record<string, unknown>;
    if (typeof error !== "string" || typeof code !== "string" || typeof message !== "string") {
      throw new Error(`${method} ${path}: a refusal without its fields`);
    }
    if (text.includes(CANARY)) throw new Error(`${method} ${path}: a refusal repeats what was sent`);
    return `${status} ${code}`;
  };
  return { run, close: () => host.close() };
}
