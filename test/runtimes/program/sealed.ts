/**
 * Sealed encryption, with a document that a coffer server gives out, and what its vault makes of the result.
 *
 * Portable; must not know where the server is.
 *
 * @module
 */
import { inspect, Vault } from "../../../src/index.ts";
import {
  encryptSealedFields,
  type SealedCurves,
  SealedEncryptor,
  sealedLease,
  tweetnacl,
} from "../../../src/sealed/index.ts";
import { sync } from "./coffer.ts";
import type { Context } from "./context.ts";

const CONTEXT = { organization_id: "org_sealed" };

export async function checkSealed({ checks, input }: Context): Promise<void> {
  const { apiKey, url } = input.server;
  const made = await fetch(`${url}/coffer/v1/recipients`, {
    method: "POST",
    headers: { authorization: `Bearer ${apiKey}`, "content-type": "application/json" },
    body: JSON.stringify({ context: CONTEXT }),
  });
  const { id } = (await made.json()) as { id: string };
  const recipient = await (await fetch(`${url}/coffer/v1/recipients/${id}`)).text();
  using vault = new Vault({ apiKey, baseUrl: url, sync: sync() });

  const opens = async (text: string, what: string): Promise<void> => {
    checks.same(inspect(text).keyBlob.format, "sealed", `${what}: sealed`);
    checks.same(await vault.decrypt(text, "form", { context: CONTEXT }), "s3cret ü", `${what}: opens`);
    const absorbed = await vault.rewrap(text);
    checks.same(inspect(absorbed).keyBlob.format, "coffer", `${what}: absorbed`);
    checks.same(await vault.decrypt(absorbed, "form"), "s3cret ü", `${what}: opens after that`);
  };
  const withCurves = async (curves: SealedCurves | undefined, what: string): Promise<void> => {
    const encryptor = new SealedEncryptor({ recipient, curves, sync: sync() });
    for (const layout of ["native", "iv12"] as const) {
      await opens(await encryptor.encrypt("s3cret ü", "form", { layout }), `${what}, ${layout}`);
    }
    using lease = await sealedLease(encryptor);
    await opens(await lease.encrypt("s3cret ü", "form"), `${what}, a lease`);
    const fields = await encryptSealedFields(encryptor, { name: "Ada" }, ["name"]);
    checks.same(await vault.decryptFields(fields, ["name"]), { name: "Ada" }, `${what}, fields`);
  };
  await withCurves(tweetnacl, "with tweetnacl");
  const atOnce = new SealedEncryptor({ recipient, curves: tweetnacl, sync: sync() });
  await opens(atOnce.encryptSync("s3cret ü", "form"), "at once");
  // Without an argument: what the runtime has itself.
  if (input.expected.isBuiltIn || input.expected.providers.includes("webcrypto")) {
    await withCurves(undefined, "without tweetnacl");
  }
  const other = { ...JSON.parse(recipient), version: 2 };
  const wrong = (): unknown => new SealedEncryptor({ recipient: other, curves: tweetnacl }).encrypt("x");
  await checks.refuses("ERR_RECIPIENT_INVALID", wrong, "a document that was changed");
}
