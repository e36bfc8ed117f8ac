/**
 * Envelopes: a string in, base64 text out, and back, with the data key at hand.
 *
 * Owns the competitors: `node:crypto` bare and by hand, coffer in its forms, WorkOS's SDK without its network.
 * All seal the same texts; all open the same ciphertexts.
 *
 * @module
 */
import * as nodeCrypto from "node:crypto";
import { WorkOS } from "workos-node-11";
import type { ItemResult } from "../../src/base/item-result.ts";
import {
  DataKey,
  localDecrypt,
  localDecryptSync,
  localEncrypt,
  localEncryptSync,
} from "../../src/crypto/index.ts";
import { Lease } from "../../src/keys/lease.ts";
import { LEASE_BYTES_MAX, LEASE_MESSAGES_MAX } from "../../src/keys/limits.ts";
import { type Bare, ByHand, KEY_BLOB_BYTES, KEY_BLOB_MAGIC, NONCE_BYTES } from "../lib/by-hand.ts";
import type { Case, Competitor } from "../lib/harness.ts";

const { createHash, randomBytes } = nodeCrypto;

const SUITE = "envelope";
const CONTEXT = { organization_id: "org_1" };

/** Texts that are taken in turn: more than a cache of one, few enough to stay in the processor's. A power of 2. */
const TEXTS = 16;
const TEXTS_LARGE = 4;
const LARGE_BYTES = 65536;

interface Size {
  readonly name: string;
  readonly bytes: number;
  /** Characters that take two to four bytes in UTF-8 among them. */
  readonly isMixed?: boolean;
}

const KIB = 1024;
/** Of ASCII texts; also those of the peers. */
export const SIZES: readonly Size[] = [
  { name: "16 B", bytes: 16 },
  { name: "64 B", bytes: 64 },
  { name: "256 B", bytes: 256 },
  { name: "1 KiB", bytes: KIB },
  { name: "4 KiB", bytes: 4 * KIB },
  { name: "64 KiB", bytes: 64 * KIB },
  { name: "1 MiB", bytes: KIB * KIB },
];
const MORE_SIZES: readonly Size[] = [
  { name: "1 KiB, mixed", bytes: KIB, isMixed: true },
  { name: "64 KiB, mixed", bytes: 64 * KIB, isMixed: true },
];
/** Messages of a batch, and the largest size of which batches are measured. */
const BATCH = 1000;
const BATCH_BYTES_MAX = 4 * KIB;
const QUICK_SIZES: readonly Size[] = [SIZES[0]!, SIZES[3]!];

export function* envelopeCases(mode: "quick" | "default" | "full"): Generator<Case> {
  const sizes = mode === "quick" ? QUICK_SIZES : mode === "full" ? [...SIZES, ...MORE_SIZES] : SIZES;
  for (const size of sizes) yield sealCase(size);
  for (const size of sizes) yield openCase(size);
  if (mode === "quick") return;
  const batches = sizes.filter(({ bytes }) => bytes <= BATCH_BYTES_MAX);
  for (const size of batches) yield batchCase("seal", size);
  for (const size of batches) yield batchCase("open", size);
}

/** The data key in every form that a competitor wants. */
class Keys {
  readonly raw = randomBytes(32);
  readonly blob = Buffer.concat([
    Buffer.from(KEY_BLOB_MAGIC, "latin1"),
    randomBytes(KEY_BLOB_BYTES - KEY_BLOB_MAGIC.length),
  ]);
  readonly hand = new ByHand(nodeCrypto, this.raw, this.blob);
  readonly strings = { dataKey: this.raw.toString("base64"), encryptedKeys: this.blob.toString("base64") };
  readonly held = new DataKey({
    id: "bench",
    key: Uint8Array.from(this.raw),
    encryptedKeys: this.strings.encryptedKeys,
  });
}

/** A lease of the key that no benchmark uses up. */
function leaseOf({ held }: Keys): Lease {
  return new Lease(held, { maxMessages: LEASE_MESSAGES_MAX, maxBytes: LEASE_BYTES_MAX });
}

/** A thousand messages at once; a call is the whole batch, so ratios are those of one message. */
function batchCase(work: "seal" | "open", size: Size): Case {
  const keys = new Keys();
  const lease = leaseOf(keys);
  const texts = Array.from({ length: BATCH }, () => makeText(size));
  const bytes = texts.map((text) => Buffer.from(text));
  const nonce = randomBytes(NONCE_BYTES);
  const sealed = bytes.map((message) => keys.hand.bareSeal(nonce, message));
  const ciphertexts = texts.map((text) => keys.hand.seal(text));
  const values = (results: readonly ItemResult<string>[]): string[] =>
    results.map((result) => {
      if (!result.ok) throw result.error;
      return result.value;
    });
  const competitors: [Competitor, ...Competitor[]] =
    work === "seal"
      ? [
          syncCall("bare", () => bytes.map((message) => keys.hand.bareSeal(nonce, message))),
          syncCall("by hand", () => texts.map((text) => keys.hand.seal(text))),
          syncCall("coffer lease", () => texts.map((text) => lease.encryptSync(text))),
          syncCall("coffer lease, many", () => lease.encryptManySync(texts)),
        ]
      : [
          syncCall("bare", () => sealed.map((message) => keys.hand.bareOpen(nonce, message))),
          syncCall("by hand", () => ciphertexts.map((text) => keys.hand.open(text))),
          syncCall("coffer lease", () => ciphertexts.map((text) => lease.decryptSync(text))),
          syncCall("coffer lease, many", () => lease.decryptManySync(ciphertexts)),
        ];
  return {
    suite: SUITE,
    work: `${work} ${BATCH}`,
    size: size.name,
    clock: "cpu",
    competitors,
    async check() {
      const written = values(lease.encryptManySync(texts));
      const read = values(lease.decryptManySync(written));
      for (const [i, text] of texts.entries()) {
        agree("many, opened by hand", keys.hand.open(written[i]!), text);
        agree("many", read[i], text);
      }
    },
    async close() {
      lease.dispose();
    },
  };
}

function sealCase(size: Size): Case {
  const keys = new Keys();
  const texts = makeTexts(size);
  const bytes = texts.map((text) => Buffer.from(text));
  const at = texts.length - 1;
  const sdk = stubbedSdk(keys);
  const sdkWithKey = stubbedSdk(keys, { keyAtHand: true });
  const lease = leaseOf(keys);
  // Bare reuses its nonce: it is a floor to divide by, never a way to encrypt.
  const nonce = randomBytes(NONCE_BYTES);
  const bare = (i: number): Bare => keys.hand.bareSeal(nonce, bytes[i & at]!);
  const ciphers: Competitor[] = [
    syncCall("by hand", (i) => keys.hand.seal(texts[i & at]!)),
    syncCall("coffer lease", (i) => lease.encryptSync(texts[i & at]!)),
    asyncCall("coffer lease, async", (i) => lease.encrypt(texts[i & at]!)),
    syncCall("coffer sync", (i) => localEncryptSync(texts[i & at]!, keys.held)),
    asyncCall("coffer async", (i) => localEncrypt(texts[i & at]!, keys.held)),
    syncCall("coffer sync, strings", (i) => localEncryptSync(texts[i & at]!, keys.strings)),
    asyncCall("coffer async, strings", (i) => localEncrypt(texts[i & at]!, keys.strings)),
    asyncCall("WorkOS 11", (i) => sdk.encrypt(texts[i & at]!, CONTEXT)),
    asyncCall("WorkOS 11, key at hand", (i) => sdkWithKey.encrypt(texts[i & at]!, CONTEXT)),
  ];
  return {
    suite: SUITE,
    work: "seal",
    size: size.name,
    clock: "cpu",
    competitors: [syncCall("bare", bare), ...ciphers],
    async check() {
      for (const [i, text] of texts.entries()) {
        agree("bare", keys.hand.bareOpen(nonce, bare(i)).toString(), text);
        for (const { name, call } of ciphers) {
          const ciphertext = (await call(i)) as string;
          // Each is opened by three implementations, so by two at least that did not write it.
          agree(`${name}, opened by hand`, keys.hand.open(ciphertext), text);
          agree(`${name}, opened by coffer`, localDecryptSync(ciphertext, keys.held), text);
          agree(`${name}, opened by WorkOS 11`, await sdk.decrypt(ciphertext), text);
        }
      }
    },
  };
}

function openCase(size: Size): Case {
  const keys = new Keys();
  const texts = makeTexts(size);
  const at = texts.length - 1;
  const nonce = randomBytes(NONCE_BYTES);
  const sealed = texts.map((text) => keys.hand.bareSeal(nonce, Buffer.from(text)));
  const ciphertexts = texts.map((text) => keys.hand.seal(text));
  const sdk = stubbedSdk(keys);
  const sdkWithKey = stubbedSdk(keys, { keyAtHand: true });
  const lease = leaseOf(keys);
  const bare = (i: number): Buffer => keys.hand.bareOpen(nonce, sealed[i & at]!);
  const openers: Competitor[] = [
    syncCall("by hand", (i) => keys.hand.open(ciphertexts[i & at]!)),
    syncCall("coffer lease", (i) => lease.decryptSync(ciphertexts[i & at]!)),
    asyncCall("coffer lease, async", (i) => lease.decrypt(ciphertexts[i & at]!)),
    syncCall("coffer sync", (i) => localDecryptSync(ciphertexts[i & at]!, keys.held)),
    asyncCall("coffer async", (i) => localDecrypt(ciphertexts[i & at]!, keys.held)),
    syncCall("coffer sync, strings", (i) => localDecryptSync(ciphertexts[i & at]!, keys.strings)),
    asyncCall("coffer async, strings", (i) => localDecrypt(ciphertexts[i & at]!, keys.strings)),
    asyncCall("WorkOS 11", (i) => sdk.decrypt(ciphertexts[i & at]!)),
    asyncCall("WorkOS 11, key at hand", (i) => sdkWithKey.decrypt(ciphertexts[i & at]!)),
  ];
  return {
    suite: SUITE,
    work: "open",
    size: size.name,
    clock: "cpu",
    competitors: [syncCall("bare", bare), ...openers],
    async check() {
      for (const [i, text] of texts.entries()) {
        agree("bare", bare(i).toString(), text);
        for (const { name, call } of openers) agree(name, await call(i), text);
      }
    },
  };
}

function syncCall(name: string, call: Competitor["call"]): Competitor {
  return { name, call, isAsync: false };
}

function asyncCall(name: string, call: Competitor["call"]): Competitor {
  return { name, call, isAsync: true };
}

function agree(who: string, got: unknown, expected: string): void {
  if (got === expected) return;
  const fingerprint = (value: unknown): string =>
    createHash("sha256").update(String(value)).digest("hex").slice(0, 16);
  throw new Error(`outputs disagree: ${who}: ${fingerprint(got)} instead of ${fingerprint(expected)}`);
}

function makeTexts(size: Size): string[] {
  return Array.from({ length: size.bytes >= LARGE_BYTES ? TEXTS_LARGE : TEXTS }, () => makeText(size));
}

/** A random text of exactly `bytes` bytes as UTF-8, flat in memory as one that was read from somewhere. */
function makeText({ bytes, isMixed = false }: Size): string {
  const ascii = randomBytes(bytes).toString("base64").slice(0, bytes);
  if (!isMixed) return Buffer.from(ascii).toString();
  const unit = "Gr\u{fc}\u{df}e, \u{65e5}\u{672c} \u{1f511} ";
  const whole = Buffer.from(unit.repeat(Math.ceil(bytes / unit.length))).subarray(0, bytes - 8);
  // Cut where a character begins, then filled up.
  let end = whole.length;
  while ((whole[end - 1]! & 0xc0) === 0x80) end--;
  if (whole[end - 1]! >= 0xc0) end--;
  return Buffer.concat([whole.subarray(0, end), Buffer.from(ascii.slice(0, bytes - end))]).toString();
}

/**
 * WorkOS's SDK without a network: its fetch function answers at once, from a prepared text. Everything else that
 * it does for a call stays (JSON, headers, abort timer, key import), and the real fetch would only add to it.
 *
 * @param options.keyAtHand - leaves the request out as well: only its cryptography and coding
 */
function stubbedSdk(keys: Keys, options: { keyAtHand?: boolean } = {}): WorkOS["vault"] {
  const { dataKey, encryptedKeys } = keys.strings;
  const body = JSON.stringify({
    id: "bench",
    data_key: dataKey,
    encrypted_keys: encryptedKeys,
    context: CONTEXT,
  });
  const headers = new Headers({ "content-type": "application/json" });
  const response = { ok: true, status: 200, headers, text: async () => body };
  const fetchFn = async (): Promise<Response> => response as unknown as Response;
  const { vault } = new WorkOS("sk_bench", { fetchFn });
  if (options.keyAtHand === true) {
    const key = { id: "bench", key: dataKey };
    vault.createDataKey = async () => ({ context: CONTEXT, dataKey: key, encryptedKeys });
    vault.decryptDataKey = async () => key;
  }
  return vault;
}
