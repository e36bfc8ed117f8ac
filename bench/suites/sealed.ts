/**
 * Encryption for who has a private key only: `coffer/sealed` beside what does the same job elsewhere, and what a vault does with it.
 *
 * Owns the cases and the peers. `@hpke/core` is there with the tests; the others are measured if they are installed under `bench/peers`,
 * and named if not. Formats differ, so each peer opens what it sealed itself; all take a text and answer a text, with keys at hand in the
 * form that the peer wants. What coffer opens here it opens by the private key itself, as peers do; in *vault* by its vault.
 *
 * @module
 */
import { randomBytes } from "node:crypto";
import { Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from "@hpke/core";
import { HERE } from "../../src/crypto/ciphers/of-call.ts";
import { Curves } from "../../src/crypto/curves/choose.ts";
import { NACL_CURVES_ROW } from "../../src/crypto/curves/tweetnacl.ts";
import { DataKey } from "../../src/crypto/keys/data-key.ts";
import { type SealedTools, sealedTools } from "../../src/crypto/sealed/tools.ts";
import { inspect } from "../../src/index.ts";
import { Lease } from "../../src/keys/lease.ts";
import { LEASE_BYTES_MAX, LEASE_MESSAGES_MAX } from "../../src/keys/limits.ts";
import { createSenderKey, SealedEncryptor, sealedLeaseSync, sealedSender } from "../../src/sealed/index.ts";
import { type EmbeddedVault, openVault } from "../../src/vault/index.ts";
import type { Case, Competitor } from "../lib/harness.ts";
import {
  agePeer,
  base64,
  bytesOf,
  installedPeers,
  type MakePeer,
  type Peer,
  textOf,
  type Untyped,
  utf8,
} from "../lib/peers.ts";
import { CONTEXT, makeRecipient, opener } from "../lib/recipient.ts";

const SUITE = "sealed";
const SIZE = "200 B";
const MESSAGE_BYTES = 200;
/** Wrapped keys of one request to a vault, as jobs ask. */
const BATCH = 100;

const PEERS: readonly MakePeer[] = [
  agePeer,
  async (load) => {
    const { CompactEncrypt, compactDecrypt } = (await load("jose")) as Untyped;
    const pair = (await crypto.subtle.generateKey({ name: "X25519" }, true, ["deriveBits"])) as Untyped;
    return {
      name: "jose ECDH-ES X25519",
      isAsync: true,
      seal: (data) =>
        new CompactEncrypt(utf8(data))
          .setProtectedHeader({ alg: "ECDH-ES", enc: "A256GCM" })
          .encrypt(pair.publicKey),
      open: async (sealed) => textOf((await compactDecrypt(sealed, pair.privateKey)).plaintext),
    };
  },
  async (load) => {
    const loaded = (await load("libsodium-wrappers")) as Untyped;
    const sodium = loaded.default ?? loaded;
    await sodium.ready;
    const { publicKey, privateKey } = sodium.crypto_box_keypair();
    return {
      name: "libsodium box_seal",
      isAsync: false,
      seal: (data) => base64(sodium.crypto_box_seal(data, publicKey)),
      open: (sealed) => textOf(sodium.crypto_box_seal_open(bytesOf(sealed), publicKey, privateKey)),
    };
  },
];

/** HPKE itself, of the text: what others' encryption with the same suite costs. */
async function hpkePeer(): Promise<Peer> {
  const suite = new CipherSuite({
    kem: new DhkemX25519HkdfSha256(),
    kdf: new HkdfSha256(),
    aead: new Aes256Gcm(),
  });
  const { publicKey, privateKey } = await suite.kem.generateKeyPair();
  return {
    name: "@hpke/core",
    isAsync: true,
    async seal(data) {
      const sender = await suite.createSenderContext({ recipientPublicKey: publicKey });
      const sealed = await sender.seal(utf8(data).buffer);
      return base64(Buffer.concat([new Uint8Array(sender.enc), new Uint8Array(sealed)]));
    },
    async open(sealed) {
      const bytes = bytesOf(sealed);
      const recipient = await suite.createRecipientContext({
        recipientKey: privateKey,
        enc: bytes.slice(0, 32).buffer,
      });
      return textOf(new Uint8Array(await recipient.open(bytes.slice(32).buffer)));
    },
  };
}

/** A recipient, and what opens for it. */
function recipientHere() {
  const tools = sealedTools(HERE);
  const random = (): Uint8Array => Uint8Array.from(randomBytes(32));
  const recipient = makeRecipient(tools, random(), random());
  return { document: recipient.document, open: (by: SealedTools) => opener(by, recipient), tools };
}

/** Every case, each peer that is there in it. */
export async function* sealedCases(): AsyncGenerator<Case> {
  const { document, open, tools } = recipientHere();
  // Without what Node has: as browsers are, where they are to answer at once.
  const curves = new Curves([NACL_CURVES_ROW], { crypto: undefined, webcrypto: undefined });
  const native = new SealedEncryptor({ recipient: document });
  const nacl = new SealedEncryptor({ recipient: document, curves });
  const { privateKey } = await createSenderKey();
  const signing = new SealedEncryptor({ recipient: document, sender: sealedSender({ privateKey }) });
  const openHere = open(tools);
  const peers: Peer[] = [
    await hpkePeer(),
    { name: "coffer sync", isAsync: false, seal: (data) => native.encryptSync(data), open: openHere },
    { name: "coffer async", isAsync: true, seal: (data) => native.encrypt(data), open: openHere },
    { name: "coffer, signed", isAsync: false, seal: (data) => signing.encryptSync(data), open: openHere },
    {
      name: "coffer, tweetnacl",
      isAsync: false,
      seal: (data) => nacl.encryptSync(data),
      open: open({ ...tools, curves }),
    },
    ...(await installedPeers(SUITE, PEERS)),
  ];
  const message = randomBytes(MESSAGE_BYTES).toString("base64").slice(0, MESSAGE_BYTES);
  yield* messageCases(peers, message);
  yield leaseCase(native, nacl, message);
  yield* vaultCases(message);
}

/** One message, under keys of its own. */
async function* messageCases(peers: readonly Peer[], message: string): AsyncGenerator<Case> {
  for (const work of ["seal", "open"] as const) {
    const competitors: Competitor[] = [];
    for (const { name, isAsync, seal, open } of peers) {
      const sealed = await seal(message);
      competitors.push({ name, isAsync, call: () => (work === "seal" ? seal(message) : open(sealed)) });
    }
    yield {
      suite: SUITE,
      work,
      size: SIZE,
      clock: "cpu",
      competitors: competitors as [Competitor, ...Competitor[]],
      async check() {
        for (const { name, seal, open } of peers) {
          if ((await open(await seal(message))) !== message) throw new Error(`outputs disagree: ${name}`);
        }
      },
    };
  }
}

/** Messages of a lease, beside those of an ordinary one. */
function leaseCase(native: SealedEncryptor, nacl: SealedEncryptor, message: string): Case {
  const most = { maxMessages: LEASE_MESSAGES_MAX, maxBytes: LEASE_BYTES_MAX };
  const key = new DataKey({
    id: "bench",
    key: Uint8Array.from(randomBytes(32)),
    encryptedKeys: base64(Buffer.concat([Buffer.from("CFR.EKM.v1\0", "latin1"), randomBytes(195)])),
  });
  const leases = {
    "coffer lease": new Lease(key, { ...most, layout: "native" }),
    "coffer sealed lease": sealedLeaseSync(native, most),
    "coffer sealed lease, tweetnacl": sealedLeaseSync(nacl, most),
  };
  const competitors: Competitor[] = Object.entries(leases).map(([name, lease]) => ({
    name,
    isAsync: false,
    call: () => lease.encryptSync(message),
  }));
  return {
    suite: SUITE,
    work: "seal by a lease",
    size: SIZE,
    clock: "cpu",
    competitors: competitors as [Competitor, ...Competitor[]],
    async check() {
      for (const lease of Object.values(leases)) {
        if (lease.decryptSync(lease.encryptSync(message)) !== message) throw new Error("outputs disagree");
      }
    },
    close: async () => {
      for (const lease of Object.values(leases)) lease.dispose();
    },
  };
}

/** Messages for a recipient that demands a sender, signed by one. */
async function signedTexts(vault: EmbeddedVault, message: string): Promise<string[]> {
  const { id } = await vault.recipients.create({ context: CONTEXT, requireSender: true });
  const { privateKey, publicKey } = await createSenderKey();
  await vault.recipients.senders.add({ recipientId: id, name: "bench", publicKey });
  const recipient = await vault.recipients.document({ id });
  const encryptor = new SealedEncryptor({ recipient, sender: sealedSender({ privateKey }) });
  return Array.from({ length: BATCH }, () => encryptor.encryptSync(message));
}

/** What a vault does with what is sealed: a call is a batch of wrapped keys, each another one. */
async function* vaultCases(message: string): AsyncGenerator<Case> {
  const vault = await openVault({ path: ":memory:", onNotice: () => {}, cache: { maxEntries: 0 } });
  const { id } = await vault.recipients.create({ context: CONTEXT });
  const encryptor = new SealedEncryptor({ recipient: await vault.recipients.document({ id }) });
  const sealed = Array.from({ length: BATCH }, () => encryptor.encryptSync(message));
  const keysOf = (texts: readonly string[]): string[] => texts.map((text) => inspect(text).encryptedKeys);
  const absorbed = (await vault.rewrapMany(sealed)).map((result) => (result as { value: string }).value);
  await vault.keks.rotate({ name: "organization_id", value: "org_1" });
  const signed = await signedTexts(vault, message);
  const kinds = { rewrap: keysOf(absorbed), absorb: keysOf(sealed), "absorb, signed": keysOf(signed) };
  const rewrap = (encryptedKeys: readonly string[]) => vault.keys.rewrapMany!({ encryptedKeys });
  const competitors: Competitor[] = Object.entries(kinds).map(([name, keys]) => ({
    name: `coffer ${name}`,
    isAsync: true,
    call: () => rewrap(keys),
  }));
  yield {
    suite: SUITE,
    work: "in a vault",
    size: `${BATCH} keys`,
    clock: "cpu",
    competitors: competitors as [Competitor, ...Competitor[]],
    async check() {
      for (const text of [...sealed, ...absorbed, ...signed]) {
        if ((await vault.decrypt(text)) !== message) throw new Error("outputs disagree");
      }
      for (const keys of Object.values(kinds)) {
        if ((await rewrap(keys)).some(({ ok }) => !ok)) throw new Error("a key was not wrapped");
      }
    },
    close: () => vault.close(),
  };
}
