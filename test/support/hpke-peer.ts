/**
 * HPKE by another implementation, `@hpke/core`, against coffer's: cases that are sealed by the one and opened by the other.
 *
 * Owns the loop. Must not know who runs it.
 *
 * @module
 */
import { Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from "@hpke/core";
import { equalBytes } from "../../src/base/bytes.ts";
import { HERE } from "../../src/crypto/ciphers/of-call.ts";
import { KEMS } from "../../src/crypto/hpke/kems.ts";
import { keySchedule } from "../../src/crypto/hpke/schedule.ts";
import { sealedTools } from "../../src/crypto/sealed/tools.ts";
import { seededStream } from "./bytes.ts";

const KEM = KEMS.x25519;

/**
 * Runs cases in both directions: random keys, infos, associated data and plaintexts of up to 300 bytes.
 *
 * @returns how many messages were opened
 * @throws at the first that was not
 */
export async function runPeerCases(cases: number, seed: number): Promise<number> {
  const suite = new CipherSuite({
    kem: new DhkemX25519HkdfSha256(),
    kdf: new HkdfSha256(),
    aead: new Aes256Gcm(),
  });
  const tools = sealedTools(HERE);
  const next = seededStream(seed);
  const some = (max: number): Uint8Array<ArrayBuffer> => {
    const [low, high] = next(2);
    return Uint8Array.from(next((low! | (high! << 8)) % max));
  };
  const aeadOf = (key: Uint8Array) => HERE.providers.sync("node").importKey(key);
  let opened = 0;
  for (let n = 0; n < cases; n++) {
    const privateKey = Uint8Array.from(next(32));
    const publicKey = Uint8Array.from(KEM.publicKey(tools, privateKey));
    const [info, aad, plaintext] = [some(100), some(100), some(300)];
    const theirPublic = await suite.kem.deserializePublicKey(publicKey.buffer);
    const theirPrivate = await suite.kem.importKey("raw", privateKey.buffer, false);

    const ours = KEM.encapsulate(tools, publicKey, Uint8Array.from(next(32)));
    const sealing = keySchedule(KEM.id, ours.sharedSecret, info);
    const sealed = Uint8Array.from(aeadOf(sealing.key).seal(sealing.nonce, plaintext, aad));
    const recipient = await suite.createRecipientContext({
      recipientKey: theirPrivate,
      enc: Uint8Array.from(ours.enc).buffer,
      info: info.buffer,
    });
    check(await recipient.open(sealed.buffer, aad.buffer), plaintext, "coffer to the peer");
    check(await recipient.export(info.buffer, 16), sealing.export(info, 16), "what both export");

    const sender = await suite.createSenderContext({ recipientPublicKey: theirPublic, info: info.buffer });
    const theirs = new Uint8Array(await sender.seal(plaintext.buffer, aad.buffer));
    const secret = KEM.hold(tools, privateKey).decapsulate(new Uint8Array(sender.enc))!;
    const opening = keySchedule(KEM.id, secret, info);
    const tagAt = theirs.length - 16;
    const aead = aeadOf(opening.key);
    check(
      aead.open(opening.nonce, theirs.subarray(0, tagAt), theirs.subarray(tagAt), aad),
      plaintext,
      "the peer to coffer",
    );
    opened += 2;
  }
  return opened;
}

function check(got: ArrayBuffer | Uint8Array, expected: Uint8Array, what: string): void {
  if (!equalBytes(new Uint8Array(got), expected)) throw new Error(`${what}: another result`);
}
