/**
 * Other people's encryption of one text, beside coffer's: what an application might use instead.
 *
 * Owns the peers. They are no dependencies of coffer: this suite measures those that are installed under
 * `bench/peers` and says which are not. Formats differ, so each peer opens what it sealed itself; all take a text
 * and answer a text, with a key at hand in the form that the peer wants.
 *
 * @module
 */
import { randomBytes } from "node:crypto";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { gcm } from "@noble/ciphers/aes.js";
import { DataKey } from "../../src/crypto/index.ts";
import { Lease } from "../../src/keys/lease.ts";
import { LEASE_BYTES_MAX, LEASE_MESSAGES_MAX } from "../../src/keys/limits.ts";
import type { Case, Competitor } from "../lib/harness.ts";
import { SIZES } from "./envelope.ts";

const SUITE = "peers";

interface Peer {
  readonly name: string;
  readonly isAsync: boolean;
  readonly seal: (text: string) => string | Promise<string>;
  readonly open: (text: string) => string | Promise<string>;
}

type Make = (load: (name: string) => Promise<unknown>) => Promise<Peer>;

/** Packages of `bench/peers`, without types: they need not be there when this is compiled. */
// biome-ignore lint/suspicious/noExplicitAny: see above
type Untyped = any;

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");
const bytesOf = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "base64"));
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("utf8");
const joined = (nonce: Uint8Array, body: Uint8Array): string => base64(Buffer.concat([nonce, body]));

const PEERS: readonly Make[] = [
  async () => {
    const key = randomBytes(32);
    return {
      name: "noble gcm",
      isAsync: false,
      seal: (data) => {
        const nonce = randomBytes(12);
        return joined(nonce, gcm(key, nonce).encrypt(utf8(data)));
      },
      open: (sealed) => {
        const bytes = bytesOf(sealed);
        return text(gcm(key, bytes.subarray(0, 12)).decrypt(bytes.subarray(12)));
      },
    };
  },
  async (load) => {
    const { CompactEncrypt, compactDecrypt } = (await load("jose")) as Untyped;
    const key = await crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, false, [
      "encrypt",
      "decrypt",
    ]);
    return {
      name: "jose dir+A256GCM",
      isAsync: true,
      seal: (data) =>
        new CompactEncrypt(utf8(data)).setProtectedHeader({ alg: "dir", enc: "A256GCM" }).encrypt(key),
      open: async (sealed) => text((await compactDecrypt(sealed, key)).plaintext),
    };
  },
  async (load) => {
    const cloak = (await load("@47ng/cloak")) as Untyped;
    const key = cloak.parseKeySync(cloak.generateKey());
    return {
      name: "cloak sync",
      isAsync: false,
      seal: (data) => cloak.encryptStringSync(data, key),
      open: (sealed) => cloak.decryptStringSync(sealed, key),
    };
  },
  async (load) => {
    const { Encrypter, Decrypter, generateX25519Identity, identityToRecipient } = (await load(
      "age-encryption",
    )) as Untyped;
    const identity = await generateX25519Identity();
    const encrypter = new Encrypter();
    encrypter.addRecipient(await identityToRecipient(identity));
    const decrypter = new Decrypter();
    decrypter.addIdentity(identity);
    return {
      name: "age",
      isAsync: true,
      seal: async (data) => base64(await encrypter.encrypt(data)),
      open: (sealed) => decrypter.decrypt(bytesOf(sealed), "text"),
    };
  },
  async (load) => {
    const loaded = (await load("libsodium-wrappers")) as Untyped;
    const sodium = loaded.default ?? loaded;
    await sodium.ready;
    const key = randomBytes(32);
    return {
      name: "libsodium xchacha",
      isAsync: false,
      seal: (data) => {
        const nonce = sodium.randombytes_buf(24);
        return joined(nonce, sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(data, null, null, nonce, key));
      },
      open: (sealed) => {
        const bytes = bytesOf(sealed);
        const [nonce, body] = [bytes.subarray(0, 24), bytes.subarray(24)];
        return text(sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(null, body, null, nonce, key));
      },
    };
  },
  async (load) => {
    const loaded = (await load("tweetnacl")) as Untyped;
    const nacl = loaded.default ?? loaded;
    const key = Uint8Array.from(randomBytes(32));
    return {
      name: "tweetnacl secretbox",
      isAsync: false,
      seal: (data) => {
        const nonce = nacl.randomBytes(24);
        return joined(nonce, nacl.secretbox(utf8(data), nonce, key));
      },
      open: (sealed) => {
        const bytes = bytesOf(sealed);
        return text(nacl.secretbox.open(bytes.subarray(24), bytes.subarray(0, 24), key));
      },
    };
  },
  async (load) => {
    const aws = (await load("@aws-crypto/client-node")) as Untyped;
    const { encrypt, decrypt } = aws.buildClient(aws.CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT);
    const keyring = new aws.RawAesKeyringNode({
      keyName: "bench",
      keyNamespace: "coffer",
      unencryptedMasterKey: Uint8Array.from(randomBytes(32)),
      wrappingSuite: aws.RawAesWrappingSuiteIdentifier.AES256_GCM_IV12_TAG16_NO_PADDING,
    });
    const cache = aws.getLocalCryptographicMaterialsCache(100);
    const manager = new aws.NodeCachingMaterialsManager({
      backingMaterials: keyring,
      cache,
      maxAge: 3_600_000,
      maxMessagesEncrypted: 2 ** 32,
    });
    return {
      name: "AWS ESDK, caching",
      isAsync: true,
      // Without a length the ESDK caches nothing for plaintexts that it cannot measure.
      seal: async (data) =>
        base64((await encrypt(manager, data, { plaintextLength: Buffer.byteLength(data) })).result),
      open: async (sealed) => text((await decrypt(manager, Buffer.from(sealed, "base64"))).plaintext),
    };
  },
];

/** Every case, each peer that is there in it. */
export async function* peerCases(): AsyncGenerator<Case> {
  const require = createRequire(new URL("../peers/package.json", import.meta.url));
  const load = (name: string): Promise<unknown> => import(pathToFileURL(require.resolve(name)).href);
  const peers: Peer[] = [];
  for (const make of PEERS) {
    try {
      peers.push(await make(load));
    } catch (error) {
      console.error(`peers: left out (${(error as Error).message.split("\n")[0]})`);
    }
  }
  const blob = Buffer.concat([Buffer.from("WOS.EKM.v1\0", "latin1"), randomBytes(195)]);
  const key = new DataKey({
    id: "bench",
    key: Uint8Array.from(randomBytes(32)),
    encryptedKeys: blob.toString("base64"),
  });
  const lease = new Lease(key, { maxMessages: LEASE_MESSAGES_MAX, maxBytes: LEASE_BYTES_MAX });
  const coffer: Peer = {
    name: "coffer lease",
    isAsync: false,
    seal: (data) => lease.encryptSync(data),
    open: (sealed) => lease.decryptSync(sealed),
  };
  for (const work of ["seal", "open"] as const) {
    for (const { name: size, bytes } of SIZES) {
      const message = Buffer.from(randomBytes(bytes).toString("base64").slice(0, bytes)).toString();
      const competitors: Competitor[] = [];
      for (const peer of [coffer, ...peers]) {
        const sealed = await peer.seal(message);
        competitors.push({
          name: peer.name,
          isAsync: peer.isAsync,
          call: work === "seal" ? () => peer.seal(message) : () => peer.open(sealed),
        });
      }
      yield {
        suite: SUITE,
        work,
        size,
        clock: "cpu",
        competitors: competitors as [Competitor, ...Competitor[]],
        async check() {
          for (const peer of [coffer, ...peers]) {
            if ((await peer.open(await peer.seal(message))) !== message) {
              throw new Error(`outputs disagree: ${peer.name}`);
            }
          }
        },
      };
    }
  }
  lease.dispose();
}
