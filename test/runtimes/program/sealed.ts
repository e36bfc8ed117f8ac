/**
 * Sealed encryption, with a document that a coffer server gives out, and what its vault makes of the result; the testkit's sealed key
 * blobs and documents.
 *
 * Portable; must not know where the server is.
 *
 * @module
 */
import { ml_kem768 } from "@noble/post-quantum/ml-kem.js";
import { decodeBase64 } from "../../../src/base/base64.ts";
import { equalBytes, fromUtf8, toHex } from "../../../src/base/bytes.ts";
import { runtime } from "../../../src/base/runtime.ts";
import { Curves } from "../../../src/crypto/curves/choose.ts";
import { X25519_BASE } from "../../../src/crypto/curves/curve.ts";
import { naclCurves } from "../../../src/crypto/curves/tweetnacl.ts";
import { WEB_CURVES_ROW } from "../../../src/crypto/curves/webcrypto.ts";
import { webSigning } from "../../../src/crypto/curves/webcrypto-signing.ts";
import { decodeSealedKeyBlob } from "../../../src/crypto/keys/sealed-key-blob.ts";
import { randomBytes } from "../../../src/crypto/primitives/random.ts";
import { openSealedDataKey } from "../../../src/crypto/sealed/sealed-data-key.ts";
import { sealedTools } from "../../../src/crypto/sealed/tools.ts";
import { inspect, isVaultError, Vault, VaultError } from "../../../src/index.ts";
import {
  createSenderKey,
  encryptSealedFields,
  mlKemOf,
  type SealedCurves,
  SealedEncryptor,
  sealedLease,
  sealedSender,
  tweetnacl,
} from "../../../src/sealed/index.ts";
import type { SealedKitFile } from "../report.ts";
import { sync } from "./coffer.ts";
import type { Context } from "./context.ts";

/** Pairs of scalars and points; ours. */
const SCALARS = 10;
const CONTEXT = { organization_id: "org_sealed" };

export async function checkSealed(context: Context): Promise<void> {
  const { checks, input } = context;
  const { apiKey, url } = input.server;
  /** The document of a new recipient, as a page fetches it. */
  const documentOf = async (request: object): Promise<string> => {
    const made = await fetch(`${url}/coffer/v1/recipients`, {
      method: "POST",
      headers: { authorization: `Bearer ${apiKey}`, "content-type": "application/json" },
      body: JSON.stringify(request),
    });
    const { id } = (await made.json()) as { id: string };
    return (await fetch(`${url}/coffer/v1/recipients/${id}`)).text();
  };
  const recipient = await documentOf({ context: CONTEXT });
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
  const common = { curves: tweetnacl, sync: sync() };
  const wide = new SealedEncryptor({
    recipient: await documentOf({ environment_wide: true }),
    context: CONTEXT,
    ...common,
  });
  await opens(await wide.encrypt("s3cret ü", "form"), "environment-wide");
  // The server has ML-KEM; this runtime may have none.
  const wing = await documentOf({ context: CONTEXT, suite: "x-wing" });
  const withPeer = new SealedEncryptor({ recipient: wing, mlKem: mlKemOf(ml_kem768), ...common });
  await opens(await withPeer.encrypt("s3cret ü", "form"), "x-wing, with ML-KEM by a peer");
  await opens(withPeer.encryptSync("s3cret ü", "form"), "x-wing at once, with ML-KEM by a peer");
  if (!input.expected.isBuiltIn) {
    const without = (): unknown => new SealedEncryptor({ recipient: wing, ...common }).encrypt("x");
    await checks.refuses("ERR_UNSUPPORTED", without, "x-wing without ML-KEM");
  }
  await checkSenders(await documentOf({ context: CONTEXT, require_sender: true }), vault, context);
  const other = { ...JSON.parse(recipient), version: 2 };
  const wrong = (): unknown => new SealedEncryptor({ recipient: other, curves: tweetnacl }).encrypt("x");
  await checks.refuses("ERR_RECIPIENT_INVALID", wrong, "a document that was changed");
}

/** What a sender signs here, for a recipient that demands it. */
async function checkSenders(recipient: string, vault: Vault, { checks, input }: Context): Promise<void> {
  const { id: recipientId } = JSON.parse(recipient) as { id: string };
  const common = { recipient, curves: tweetnacl, sync: sync() };
  const unsigned = await new SealedEncryptor(common).encrypt("s3cret ü", "form");
  await checks.refuses("ERR_SENDER_REFUSED", () => vault.decrypt(unsigned, "form"), "no sender");
  const hasCurves = input.expected.isBuiltIn || input.expected.providers.includes("webcrypto");
  for (const curves of hasCurves ? [tweetnacl, undefined] : [tweetnacl]) {
    const what = `a sender ${curves === undefined ? "without" : "with"} tweetnacl`;
    const { privateKey, publicKey } = await createSenderKey({ curves });
    using sender = sealedSender({ privateKey, curves });
    checks.same(await sender.publicKey(), publicKey, `${what}: public key`);
    const encryptor = new SealedEncryptor({ ...common, sender });
    const text = await encryptor.encrypt("s3cret ü", "form");
    await checks.refuses("ERR_DECRYPT_FAILED", () => vault.decrypt(text, "form"), `${what}: not listed`);
    const { id } = await vault.recipients.senders.add({ recipientId, name: what, publicKey });
    const told = await vault.decryptSealed(text, "form");
    checks.same([told.data, told.sender], ["s3cret ü", id], `${what}: told`);
    checks.same(inspect(text).keyBlob.sender, id, `${what}: named`);
    if (curves === undefined) continue;
    const atOnce = await vault.decryptSealed(encryptor.encryptSync("s3cret ü", "form"), "form");
    checks.same(atOnce.sender, id, `${what}: at once`);
  }
}

/** Curves of the runtime's Web Crypto against tweetnacl, with scalars, seeds and points of whose bytes some are 0. */
async function checkWebCurves(checks: Context["checks"]): Promise<void> {
  const subtle = runtime.webcrypto?.subtle;
  const web = subtle && new Curves([WEB_CURVES_ROW], runtime);
  const provider = await web?.async().catch(() => undefined);
  if (provider === undefined) return;
  for (let n = 0; n < SCALARS; n++) {
    const scalar = randomBytes(32);
    const point = naclCurves.multiply(randomBytes(32), X25519_BASE)!;
    // WebKit refuses private keys whose first byte is 0.
    for (const at of [undefined, 0, 31]) {
      if (at !== undefined) scalar[at] = 0;
      if (at !== undefined) point[at] = 0;
      const got = await provider.multiply(scalar, point);
      checks.same(got && toHex(got), toHex(naclCurves.multiply(scalar, point)!), `X25519, 0 at ${at}`);
    }
  }
  const signing = webSigning(runtime.webcrypto);
  for (const at of [undefined, 0, 31]) {
    const seed = randomBytes(32);
    if (at !== undefined) seed[at] = 0;
    if (at !== 0) seed[0] ||= 1;
    const what = `Ed25519, 0 at ${at}`;
    try {
      checks.same(toHex(await signing.publicKey(seed)), toHex(naclCurves.signingPublicKey(seed)), what);
      checks.same(toHex(await signing.sign(seed, seed)), toHex(naclCurves.sign(seed, seed)), what);
    } catch (error) {
      // WebKit refuses seeds whose first byte is 0. No engine may sign otherwise with them.
      if (at !== 0 || !isVaultError(error, "ERR_UNSUPPORTED")) throw error;
    }
  }
}

/** The testkit's files: documents by whatever has the curves, blobs by what answers at once. */
export async function checkSealedTestkit({ checks, input }: Context): Promise<void> {
  await checkWebCurves(checks);
  const isBuiltIn = input.expected.isBuiltIn;
  const hasCurves = isBuiltIn || input.expected.providers.includes("webcrypto");
  for (const file of input.sealedTestkit) {
    for (const curves of hasCurves ? [tweetnacl, undefined] : [tweetnacl]) {
      const what = (): string => `${file.name} ${curves === undefined ? "without" : "with"} tweetnacl`;
      if (file.kind === "document") {
        const make = (): Promise<unknown> => sealedKeyOf(file, curves);
        if (file.expect === "ok") checks.same(await make(), "sealed", what);
        else await checks.refuses(file.expect, make, what);
      } else if (curves !== undefined || isBuiltIn) {
        const open = (): Uint8Array => openBlob(file, curves);
        if (file.expect === "ok") checks.bytes(open(), decodeBase64(file.dataKey)!, what);
        else await checks.refuses(file.expect, open, what);
      }
    }
  }
}

async function sealedKeyOf(
  { payload, signer, minVersion, now, context }: SealedKitFile & { kind: "document" },
  curves: SealedCurves | undefined,
): Promise<string> {
  const encryptor = new SealedEncryptor({
    recipient: fromUtf8(decodeBase64(payload)!)!,
    signer: signer === "" ? undefined : signer,
    minVersion: minVersion === 0 ? undefined : minVersion,
    context: context === "" ? undefined : JSON.parse(context),
    now: () => now,
    curves,
    sync: sync(),
  });
  const key = await encryptor.createDataKey();
  key.dispose();
  return "sealed";
}

/** Opens a blob as a vault does that has the file's recipient. */
function openBlob(file: SealedKitFile & { kind: "key-blob" }, curves: SealedCurves | undefined): Uint8Array {
  const blob = decodeSealedKeyBlob(decodeBase64(file.payload)!);
  const privateKey = file.privateKeys[blob.version - 1];
  if (privateKey === undefined || !equalBytes(blob.recipientId, decodeBase64(file.recipientId)!)) {
    throw new VaultError("ERR_KEY_NOT_FOUND", "there is no such recipient");
  }
  const context = decodeBase64(file.context)!;
  const isForIt = context.length === 0 || equalBytes(blob.context.bytes, context);
  if (blob.suite !== "x25519" || !isForIt) {
    throw new VaultError("ERR_DECRYPT_FAILED", "it is for another context or suite");
  }
  return openSealedDataKey(sealedTools(sync(), curves), blob, decodeBase64(privateKey)!);
}
