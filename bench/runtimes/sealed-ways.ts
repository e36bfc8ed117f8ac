/**
 * What is compared in every runtime of `coffer/sealed`: one message with a sealed data key of its own, and messages of a lease, beside
 * an ordinary lease and HPKE itself.
 *
 * Owns these competitors. Portable. Opening is done by the private key itself, as who has it does; it needs X25519 that answers at
 * once, which is tweetnacl's where there is no `node:crypto`.
 *
 * @module
 */
import { Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from "@hpke/core";
import { decodeBase64, encodeBase64 } from "../../src/base/base64.ts";
import { concatBytes } from "../../src/base/bytes.ts";
import { runtime } from "../../src/base/runtime.ts";
import type { Ciphers } from "../../src/crypto/ciphers/ciphers.ts";
import type { SealedCurves } from "../../src/crypto/curves/choose.ts";
import { DataKey } from "../../src/crypto/index.ts";
import { sealedTools } from "../../src/crypto/sealed/tools.ts";
import { Lease } from "../../src/keys/lease.ts";
import { LEASE_BYTES_MAX, LEASE_MESSAGES_MAX } from "../../src/keys/limits.ts";
import { SealedEncryptor, sealedLease, tweetnacl } from "../../src/sealed/index.ts";
import { opener } from "../lib/recipient.ts";
import type { Way } from "./competitors.ts";
import type { Material } from "./protocol.ts";
import { bytesOfBase64 } from "./webcrypto-by-hand.ts";

/** The baseline comes first: a lease of an ordinary data key. */
export async function sealedWays(material: Material, sync: Ciphers): Promise<Way[]> {
  const { texts, ciphertexts, dataKey, encryptedKeys, recipient: made } = material;
  const { document, ...pair } = made!;
  const keys = { privateKey: bytesOfBase64(pair.privateKey), publicKey: bytesOfBase64(pair.publicKey) };
  const at = texts.length - 1;
  const most = { maxMessages: LEASE_MESSAGES_MAX, maxBytes: LEASE_BYTES_MAX, sync };
  const open = opener(sealedTools(sync, tweetnacl), keys, sync);

  const ofLease = (name: string, lease: Lease): Way => {
    const own = texts.map((text) => lease.encryptSync(text));
    return {
      name,
      isAsync: false,
      isWhole: true,
      seal: (i) => lease.encryptSync(texts[i & at]!),
      open: (i) => lease.decryptSync(own[i & at]!),
    };
  };
  const encryptorBy = (curves: SealedCurves | undefined) =>
    new SealedEncryptor({ recipient: document, curves, sync });
  const ofMessage = (name: string, curves: SealedCurves | undefined): Way => {
    const encryptor = encryptorBy(curves);
    return {
      name,
      isAsync: true,
      isWhole: true,
      seal: (i) => encryptor.encrypt(texts[i & at]!),
      open: (i) => open(ciphertexts[i & at]!),
    };
  };
  const key = new DataKey({ id: "bench", key: bytesOfBase64(dataKey), encryptedKeys });
  const nacl = encryptorBy(tweetnacl);
  const atOnce: Way = {
    ...ofMessage("coffer sealed at once", tweetnacl),
    isAsync: false,
    seal: (i) => nacl.encryptSync(texts[i & at]!),
  };
  const hasCurves =
    runtime.crypto?.createCipheriv !== undefined || (await hasWebCurves(encryptorBy(undefined)));
  return [
    ofLease("coffer lease", new Lease(key, { ...most, layout: "native" })),
    ofLease("coffer sealed lease", await sealedLease(nacl, most)),
    ...(hasCurves ? [ofMessage("coffer sealed", undefined)] : []),
    atOnce,
    ...(hasCurves ? [await hpkeWay(texts)] : []),
  ];
}

/** Whether the runtime has X25519 and Ed25519 itself. */
async function hasWebCurves(encryptor: SealedEncryptor): Promise<boolean> {
  try {
    (await encryptor.createDataKey()).dispose();
    return true;
  } catch {
    return false;
  }
}

/** The text in HPKE, without an envelope: what others' encryption with the same suite costs. */
async function hpkeWay(texts: readonly string[]): Promise<Way> {
  const suite = new CipherSuite({
    kem: new DhkemX25519HkdfSha256(),
    kdf: new HkdfSha256(),
    aead: new Aes256Gcm(),
  });
  const { publicKey, privateKey } = await suite.kem.generateKeyPair();
  const at = texts.length - 1;
  const seal = async (i: number): Promise<string> => {
    const sender = await suite.createSenderContext({ recipientPublicKey: publicKey });
    const sealed = await sender.seal(new TextEncoder().encode(texts[i & at]!));
    return encodeBase64(concatBytes(new Uint8Array(sender.enc), new Uint8Array(sealed)));
  };
  const own = await Promise.all(texts.map((_, i) => seal(i)));
  return {
    name: "@hpke/core",
    isAsync: true,
    isWhole: false,
    seal,
    open: async (i) => {
      const bytes = decodeBase64(own[i & at]!)!;
      const enc = bytes.slice(0, 32);
      const recipient = await suite.createRecipientContext({ recipientKey: privateKey, enc: enc.buffer });
      return new Uint8Array(await recipient.open(bytes.slice(32).buffer));
    },
  };
}
