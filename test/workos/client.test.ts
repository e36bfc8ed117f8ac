/** The SDK's client: its options, its webhooks, its types; beside the SDK itself. */
import { describe, expect, expectTypeOf, onTestFinished, test, vi } from "vitest";
import {
  WorkOS as Sdk,
  type Event as SdkEvent,
  SignatureVerificationException as SdkSignatureException,
} from "workos-node-11";
import { signWebhook } from "../../src/wire/webhook.ts";
import {
  type Event,
  NoApiKeyProvidedException,
  SignatureVerificationException,
  WorkOS,
} from "../../src/workos/index.ts";
import { errorOf, rejectionOf } from "../support/errors.ts";

const SECRET = "whsec_test";
const ACTOR = { actor_id: "key_1", actor_source: "api", actor_name: "billing" };

/** One of each kind, as a service sends it. */
const EVENTS: readonly (readonly [event: string, data: object])[] = [
  ["vault.data.created", { ...ACTOR, kv_name: "a", key_id: "k", key_context: { organization_id: "org_1" } }],
  ["vault.data.updated", { ...ACTOR, kv_name: "a", key_id: "k", key_context: { snake_case: "org_1" } }],
  ["vault.data.read", { ...ACTOR, kv_name: "a", key_id: "k" }],
  ["vault.data.deleted", { ...ACTOR, kv_name: "a" }],
  ["vault.metadata.read", { ...ACTOR, kv_name: "a" }],
  ["vault.names.listed", ACTOR],
  ["vault.kek.created", { ...ACTOR, key_name: "organization_id", key_id: "k" }],
  ["vault.dek.read", { ...ACTOR, key_ids: ["k", "l"], key_context: { a: "b" } }],
  ["vault.dek.decrypted", { ...ACTOR, key_id: "k" }],
  [
    "vault.byok_key.verification_completed",
    { organization_id: "o", key_provider: "AWS_KMS", verified: true },
  ],
];

const bodyOf = (event: string, data: object): string =>
  JSON.stringify({ id: "event_1", object: "event", event, data, created_at: "2026-01-01T00:00:00.000Z" });

const signed = (payload: string, at = Date.now()) => ({
  payload,
  sigHeader: signWebhook(new TextEncoder().encode(payload), SECRET, at),
  secret: SECRET,
});

describe("webhooks", () => {
  const sdk = new Sdk("sk_test").webhooks;
  const own = new WorkOS("sk_test").webhooks;

  test.each(EVENTS)("%s is the event that the SDK makes of it", async (event, data) => {
    const check = signed(bodyOf(event, data));
    expect(await own.constructEvent(check)).toEqual(await sdk.constructEvent(check));
    const bytes = { ...check, payload: new TextEncoder().encode(check.payload) };
    expect(await own.constructEvent(bytes)).toEqual(await sdk.constructEvent(bytes));
    const object = { ...check, payload: JSON.parse(check.payload) };
    expect(await own.constructEvent(object)).toEqual(await sdk.constructEvent(object));
  });

  test.each([
    ["another body", { payload: bodyOf("vault.data.read", { ...ACTOR, kv_name: "b" }) }],
    ["another secret", { secret: "whsec_other" }],
    ["a header that is none", { sigHeader: "nonsense" }],
    ["an old signature", signed(bodyOf("vault.names.listed", ACTOR), Date.now() - 200_000)],
  ])("%s is refused by both", async (_, change) => {
    const check = { ...signed(bodyOf("vault.names.listed", ACTOR)), ...change };
    expect(await rejectionOf(() => sdk.constructEvent(check))).toBeInstanceOf(SdkSignatureException);
    const error = await rejectionOf(() => own.constructEvent(check));
    expect(error).toBeInstanceOf(SignatureVerificationException);
    expect(error.name).toBe("SignatureVerificationException");
    expect(await rejectionOf(() => own.verifyHeader(check))).toBeInstanceOf(SignatureVerificationException);
  });

  test("a longer tolerance is the caller's choice", async () => {
    const check = {
      ...signed(bodyOf("vault.names.listed", ACTOR), Date.now() - 200_000),
      tolerance: 300_000,
    };
    expect(await own.verifyHeader(check)).toBe(await sdk.verifyHeader(check));
  });

  test("one of the future is refused here; the SDK takes it", async () => {
    const check = signed(bodyOf("vault.names.listed", ACTOR), Date.now() + 200_000);
    expect(await sdk.verifyHeader(check)).toBe(true);
    expect(await rejectionOf(() => own.verifyHeader(check))).toBeInstanceOf(SignatureVerificationException);
  });

  test("have the SDK's types", () => {
    expectTypeOf<Event>().toExtend<SdkEvent>();
    expectTypeOf<Extract<SdkEvent, { event: `vault.${string}` }>>().toExtend<Event>();
  });
});

describe("options", () => {
  test("without a key: an exception of the SDK's name, unless only webhooks are wanted", () => {
    vi.stubEnv("WORKOS_API_KEY", undefined);
    vi.stubEnv("COFFER_API_KEY", undefined);
    onTestFinished(() => {
      vi.unstubAllEnvs();
    });
    expect(errorOf(() => new WorkOS())).toBeInstanceOf(NoApiKeyProvidedException);
    const client = new WorkOS({ clientId: "client_1" });
    expect(client.clientId).toBe("client_1");
    expect(errorOf(() => client.vault)).toMatchObject({ name: "NoApiKeyProvidedException", status: 500 });
  });

  test("config, appInfo and fetchFn are in every request", async () => {
    const seen: RequestInit[] = [];
    const client = new WorkOS("sk_test", {
      apiHostname: "vault.example",
      appInfo: { name: "billing", version: "1.2" },
      config: { headers: { "x-team": "a", authorization: "Bearer other" }, keepalive: true },
      issuer: "https://issuer.example",
      maxRetries: 0,
      fetchFn: async (_, init) => {
        seen.push(init!);
        return new Response("{}", { status: 404 });
      },
    });
    await rejectionOf(() => client.vault.readObject({ id: "x" }));
    const headers = new Headers(seen.at(-1)!.headers);
    expect(headers.get("x-team")).toBe("a");
    expect(headers.get("authorization")).toBe("Bearer sk_test");
    expect(headers.get("user-agent")).toMatch(/^coffer\/[\d.]+ \(billing\/1\.2\)$/);
    expect(seen.at(-1)!.keepalive).toBe(true);
  });
});
