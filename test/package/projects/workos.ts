// Code written for `@workos-inc/node` 11, with its one import swapped.
import {
  type AutoPaginatable,
  type DataKeyPair,
  type Event,
  NoApiKeyProvidedException,
  NotFoundException,
  type ObjectSummary,
  SignatureVerificationException,
  type VaultObject,
  WorkOS,
} from "coffer/workos";

const workos = new WorkOS({
  apiKey: "sk_example",
  clientId: "client_1",
  apiHostname: "127.0.0.1",
  port: 8200,
  https: false,
  timeout: 1_000,
  maxRetries: 2,
  appInfo: { name: "app", version: "1" },
  config: { headers: { "x-team": "a" } },
  fetchFn: fetch,
});

export async function objects(): Promise<ObjectSummary[]> {
  const page: AutoPaginatable<ObjectSummary> = await workos.vault.listObjects({
    limit: 5,
    order: "desc",
    search: "a",
  });
  return await page.autoPagination();
}

export async function secret(name: string): Promise<string | undefined> {
  try {
    const object: VaultObject = await workos.vault.readObjectByName(name);
    object.metadata.updatedAt.getTime();
    return object.value;
  } catch (error) {
    if (error instanceof NotFoundException) return undefined;
    if (error instanceof NoApiKeyProvidedException) return error.message;
    throw error;
  }
}

export async function keys(): Promise<DataKeyPair> {
  const text = await workos.vault.encrypt("s3cret", { organization_id: "org_1", n: 1 }, "user:42");
  await workos.vault.decrypt(text, "user:42");
  return await workos.vault.createDataKey({ context: { organization_id: "org_1" } });
}

export async function webhook(payload: string, sigHeader: string): Promise<string> {
  try {
    const event: Event = await workos.webhooks.constructEvent({ payload, sigHeader, secret: "whsec" });
    return event.event === "vault.data.created" ? event.data.kvName : event.id;
  } catch (error) {
    if (error instanceof SignatureVerificationException) return "refused";
    throw error;
  }
}
