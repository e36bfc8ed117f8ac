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
import { gcm } from "@noble/ciphers/aes.js";
import { DataKey } from "../../src/crypto/index.ts";
import { Lease } from "../../src/keys/lease.ts";
import { LEASE_BYTES_MAX, LEASE_MESSAGES_MAX } from "../../src/keys/limits.ts";
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
import { SIZES } from "./envelope.ts";

const SUITE = "peers";

const joined = (nonce: Uint8Array, body: Uint8Array): string => base64(Buffer.concat([nonce, body]));

const PEERS: readonly MakePeer[] = [
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
        return textOf(gcm(key, bytes.subarray(0, 12)).decrypt(bytes.subarray(12)));
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
      open: async (sealed) => textOf((await compactDecrypt(sealed, key)).plaintext),
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
  agePeer,
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
        return textOf(sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(null, body, null, nonce, key));
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
        return textOf(nacl.secretbox.open(bytes.subarray(24), bytes.subarray(0, 24), key));
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
      open: async (sealed) => textOf((await decrypt(manager, Buffer.from(sealed, "base64"))).plaintext),
    };
  },
];

/** Every case, each peer that is there in it. */
export async function* peerCases(): AsyncGenerator<Case> {
  const peers = await installedPeers(SUITE, PEERS);
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
