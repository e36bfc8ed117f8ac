/**
 * Messages by the way that they go: large ones of a batch, the native layout, all sizes in one program, text that is not ASCII.
 *
 * Owns the competitors. The data key is at hand; all seal the same texts, and what each writes is opened by the other ways.
 *
 * @module
 */
import { transcode } from "node:buffer";
import * as nodeCrypto from "node:crypto";
import type { WritableLayout } from "../../src/crypto/envelope/layouts.ts";
import { DataKey } from "../../src/crypto/index.ts";
import { Lease } from "../../src/keys/lease.ts";
import { LEASE_BYTES_MAX, LEASE_MESSAGES_MAX } from "../../src/keys/limits.ts";
import { ByHand, KEY_BLOB_BYTES, KEY_BLOB_MAGIC, NONCE_BYTES } from "../lib/by-hand.ts";
import type { Case, Competitor } from "../lib/harness.ts";

const SUITE = "ways";
const KIB = 1024;
/** Texts that are taken in turn. A power of 2. */
const TEXTS = 16;
const BATCH = 1000;
const BATCH_BYTES = 4 * KIB;
/** Of the native layout: a secret, and the largest that is small. */
const NATIVE_BYTES = [33, KIB];
/** Sizes that one program has, and those that are measured in it. */
const MIXED_BYTES = [16, 64, 256, KIB, 4 * KIB, 64 * KIB, 256 * KIB];
const MEASURED_BYTES = [KIB, 4 * KIB, 64 * KIB];
/** Messages of all sizes before the first sample. */
const MIXED_MESSAGES = 20_000;
const WIDE_BYTES = 64 * KIB;
/** Characters of one to four bytes of UTF-8. */
const WIDE_UNIT = "Gr\u{fc}\u{df}e, \u{65e5}\u{672c} \u{1f511} ";

/** The cases of the suite. */
export function* wayCases(): Generator<Case> {
  yield batchCase("seal");
  yield batchCase("open");
  for (const bytes of NATIVE_BYTES) {
    yield nativeCase("seal", bytes);
    yield nativeCase("open", bytes);
  }
  const mixed = new Keys();
  mixed.useAllSizes();
  for (const bytes of MEASURED_BYTES) {
    yield mixedCase("seal", bytes, mixed);
    yield mixedCase("open", bytes, mixed);
  }
  yield wideSealCase();
  yield wideOpenCase();
}

/** The data key in the forms that competitors want. */
class Keys {
  readonly #raw = nodeCrypto.randomBytes(32);
  readonly #blob = Buffer.concat([
    Buffer.from(KEY_BLOB_MAGIC, "latin1"),
    nodeCrypto.randomBytes(KEY_BLOB_BYTES - KEY_BLOB_MAGIC.length),
  ]);
  readonly hand = new ByHand(nodeCrypto, this.#raw, this.#blob);
  readonly lease = this.leaseOf("iv12");
  // Bare reuses its nonce: it is a floor to divide by, never a way to encrypt.
  readonly nonce = nodeCrypto.randomBytes(NONCE_BYTES);

  /** A lease that no benchmark uses up. */
  leaseOf(layout: WritableLayout): Lease {
    const key = new DataKey({
      id: "bench",
      key: Uint8Array.from(this.#raw),
      encryptedKeys: this.#blob.toString("base64"),
    });
    return new Lease(key, { layout, maxMessages: LEASE_MESSAGES_MAX, maxBytes: LEASE_BYTES_MAX });
  }

  /** What engines learn of a program that has messages of all sizes, they know from then on. */
  useAllSizes(): void {
    const texts = MIXED_BYTES.map(makeText);
    for (let i = 0; i < MIXED_MESSAGES; i++) {
      // One of 32 is large: they take as long as all others together.
      const text = texts[i % 32 === 0 ? 5 + ((i >> 5) & 1) : i % 5]!;
      agree("mixed", this.lease.decryptSync(this.lease.encryptSync(text)), text);
    }
  }
}

function batchCase(work: "seal" | "open"): Case {
  const { hand, lease, nonce } = new Keys();
  const texts = Array.from({ length: BATCH }, () => makeText(BATCH_BYTES));
  const bytes = texts.map((text) => Buffer.from(text));
  const sealed = bytes.map((message) => hand.bareSeal(nonce, message));
  const ciphertexts = texts.map((text) => hand.seal(text));
  const seal: [Competitor, ...Competitor[]] = [
    competitor("bare", () => bytes.map((message) => hand.bareSeal(nonce, message))),
    competitor("coffer lease", () => texts.map((text) => lease.encryptSync(text))),
    competitor("coffer lease, many", () => lease.encryptManySync(texts)),
  ];
  const open: [Competitor, ...Competitor[]] = [
    competitor("bare", () => sealed.map((message) => hand.bareOpen(nonce, message))),
    competitor("coffer lease", () => ciphertexts.map((text) => lease.decryptSync(text))),
    competitor("coffer lease, many", () => lease.decryptManySync(ciphertexts)),
  ];
  return {
    suite: SUITE,
    work: `${work} ${BATCH}`,
    size: "4 KiB",
    clock: "cpu",
    competitors: work === "seal" ? seal : open,
    async check() {
      for (const [i, result] of lease.encryptManySync(texts).entries()) {
        agree("many, opened by hand", hand.open(result.ok ? (result.value as string) : ""), texts[i]!);
      }
      for (const [i, result] of lease.decryptManySync(ciphertexts).entries()) {
        agree("many", result.ok ? result.value : "", texts[i]!);
      }
    },
  };
}

function nativeCase(work: "seal" | "open", size: number): Case {
  const keys = new Keys();
  const { hand, lease, nonce } = keys;
  const native = keys.leaseOf("native");
  const texts = makeTexts(size);
  const at = TEXTS - 1;
  const bytes = texts.map((text) => Buffer.from(text));
  const sealed = bytes.map((message) => hand.bareSeal(nonce, message));
  const ciphertexts = texts.map((text) => lease.encryptSync(text));
  const natives = texts.map((text) => native.encryptSync(text));
  const seal: [Competitor, ...Competitor[]] = [
    competitor("bare", (i) => hand.bareSeal(nonce, bytes[i & at]!)),
    competitor("coffer lease", (i) => lease.encryptSync(texts[i & at]!)),
    competitor("coffer lease, native", (i) => native.encryptSync(texts[i & at]!)),
  ];
  const open: [Competitor, ...Competitor[]] = [
    competitor("bare", (i) => hand.bareOpen(nonce, sealed[i & at]!)),
    competitor("coffer lease", (i) => lease.decryptSync(ciphertexts[i & at]!)),
    competitor("coffer lease, native", (i) => native.decryptSync(natives[i & at]!)),
  ];
  return {
    suite: SUITE,
    work: `${work}, native`,
    size: sizeName(size),
    clock: "cpu",
    competitors: work === "seal" ? seal : open,
    async check() {
      for (const [i, text] of texts.entries()) agree("native", native.decryptSync(natives[i]!), text);
    },
  };
}

function mixedCase(work: "seal" | "open", size: number, { hand, lease, nonce }: Keys): Case {
  const texts = makeTexts(size);
  const at = TEXTS - 1;
  const bytes = texts.map((text) => Buffer.from(text));
  const sealed = bytes.map((message) => hand.bareSeal(nonce, message));
  const ciphertexts = texts.map((text) => hand.seal(text));
  const seal: [Competitor, ...Competitor[]] = [
    competitor("bare", (i) => hand.bareSeal(nonce, bytes[i & at]!)),
    competitor("by hand", (i) => hand.seal(texts[i & at]!)),
    competitor("coffer lease", (i) => lease.encryptSync(texts[i & at]!)),
  ];
  const open: [Competitor, ...Competitor[]] = [
    competitor("bare", (i) => hand.bareOpen(nonce, sealed[i & at]!)),
    competitor("by hand", (i) => hand.open(ciphertexts[i & at]!)),
    competitor("coffer lease", (i) => lease.decryptSync(ciphertexts[i & at]!)),
  ];
  return {
    suite: SUITE,
    work: `${work} in a program of all sizes`,
    size: sizeName(size),
    clock: "cpu",
    competitors: work === "seal" ? seal : open,
    async check() {
      for (const [i, text] of texts.entries()) {
        agree("mixed, opened by hand", hand.open(lease.encryptSync(text)), text);
        agree("mixed", lease.decryptSync(ciphertexts[i]!), text);
      }
    },
  };
}

/** What is left where nothing is checked, copied or drawn: the fastest coders of Node, and the bare cipher. */
function wideSealCase(): Case {
  const { hand, lease, nonce } = new Keys();
  const text = makeWideText();
  const bytes = Buffer.from(text);
  const units = Buffer.alloc(2 * text.length);
  return {
    suite: SUITE,
    work: "seal, not ASCII",
    size: "64 KiB",
    clock: "cpu",
    competitors: [
      competitor("bare", () => hand.bareSeal(nonce, bytes)),
      competitor("the fastest parts", () => {
        units.write(text, "utf16le");
        const { body } = hand.bareSeal(nonce, transcode(units, "utf16le", "utf8"));
        return (body as Buffer).toString("base64");
      }),
      competitor("by hand", () => hand.seal(text)),
      competitor("coffer lease", () => lease.encryptSync(text)),
    ],
    async check() {
      units.write(text, "utf16le");
      agree("parts", transcode(units, "utf16le", "utf8").toString(), text);
      agree("not ASCII, opened by hand", hand.open(lease.encryptSync(text)), text);
    },
  };
}

function wideOpenCase(): Case {
  const { hand, lease, nonce } = new Keys();
  const text = makeWideText();
  const { body, tag } = hand.bareSeal(nonce, Buffer.from(text));
  const encoded = Buffer.from(body).toString("base64");
  const decoded = Buffer.alloc(body.length);
  const ciphertext = hand.seal(text);
  const parts = (): string => {
    decoded.write(encoded, "base64");
    return hand.bareOpen(nonce, { body: decoded, tag }).toString();
  };
  return {
    suite: SUITE,
    work: "open, not ASCII",
    size: "64 KiB",
    clock: "cpu",
    competitors: [
      competitor("bare", () => hand.bareOpen(nonce, { body, tag })),
      competitor("the fastest parts", parts),
      competitor("by hand", () => hand.open(ciphertext)),
      competitor("coffer lease", () => lease.decryptSync(ciphertext)),
    ],
    async check() {
      agree("parts", parts(), text);
      agree("not ASCII", lease.decryptSync(ciphertext), text);
    },
  };
}

const competitor = (name: string, call: Competitor["call"]): Competitor => ({ name, call, isAsync: false });

function agree(who: string, got: unknown, expected: string): void {
  if (got !== expected) throw new Error(`outputs disagree: ${who}`);
}

const sizeName = (bytes: number): string => (bytes < KIB ? `${bytes} B` : `${bytes / KIB} KiB`);

const makeTexts = (bytes: number): string[] => Array.from({ length: TEXTS }, () => makeText(bytes));

/** A random ASCII text, flat in memory as one that was read from somewhere. */
function makeText(bytes: number): string {
  return Buffer.from(nodeCrypto.randomBytes(bytes).toString("base64").slice(0, bytes)).toString();
}

/** As many characters as have at most {@link WIDE_BYTES} bytes, filled up with ASCII. */
function makeWideText(): string {
  const wide = WIDE_UNIT.repeat(Math.floor(WIDE_BYTES / Buffer.byteLength(WIDE_UNIT)));
  return Buffer.from(wide + "x".repeat(WIDE_BYTES - Buffer.byteLength(wide))).toString();
}
