/**
 * localEncrypt and localDecrypt, at once and later, in every layout, by every provider and by default choice.
 *
 * Portable; must not know where data keys come from.
 *
 * @module
 */

import { gcm } from "@noble/ciphers/aes.js";
import { decodeBase64, encodeBase64 } from "../../../src/base/base64.ts";
import { utf8 } from "../../../src/base/bytes.ts";
import type { AeadProviderName } from "../../../src/crypto/aead/aead.ts";
import { serializeEnvelope } from "../../../src/crypto/envelope/envelope.ts";
import {
  type AssociatedData,
  inspect,
  isCiphertext,
  type WritableLayout,
} from "../../../src/crypto/index.ts";
import {
  OFFICIAL_IV32_ENVELOPE,
  SAMPLE_1,
  SAMPLE_2,
  SAMPLE_ASSOCIATED_DATA,
  SAMPLE_ENVELOPES,
  SAMPLE_PLAINTEXT,
} from "../../support/samples.ts";
import { codeOf } from "./checks.ts";
import { localDecrypt, localDecryptSync, localEncrypt, localEncryptSync } from "./coffer.ts";
import { byteStream, type Context, flipped, lacksLongNonces, sampleKey } from "./context.ts";

/** Bytes that no runtime takes for small. */
const LARGE_LEGACY_BYTES = 40_000;

const LAYOUTS: readonly WritableLayout[] = ["iv12", "leb-first", "dotnet", "native"];

/** With every UTF-8 length, a leading BOM, which comes out again, and sizes around the providers' crossover. */
const TEXTS = [
  "",
  "a",
  "s3cret",
  "\0",
  "\u{feff}BOM first",
  "\u{feff}",
  "in the middle \u{feff} too",
  "Grüße, 秘密, 🔐🇪🇺, e\u{301}, \u{fffd}, \u{10ffff}, \u{7ff}\u{800}\u{ffff}",
  "é".repeat(300),
  "x".repeat(1023),
  "🔐".repeat(256),
  "x".repeat(1025),
  `${"long ".repeat(9000)}ü`,
];

const ASSOCIATED: readonly AssociatedData[] = [
  undefined,
  "user:42",
  "Zeile ü",
  Uint8Array.of(0, 255, 1),
  "a".repeat(5000),
] as const;

const REFUSALS = [
  "ERR_NOT_CIPHERTEXT",
  "ERR_ENVELOPE_MALFORMED",
  "ERR_ENVELOPE_UNSUPPORTED",
  "ERR_DECRYPT_FAILED",
];

/** Undefined: the default choice. */
type Choice = AeadProviderName | undefined;

export async function checkEnvelopes(context: Context): Promise<void> {
  const choices: Choice[] = [undefined, ...context.available.map(({ name }) => name)];
  await checkPublished(context, choices);
  await checkLargeLegacy(context);
  for (const layout of LAYOUTS) {
    for (const provider of choices) {
      await checkRoundTrips(context, layout, provider);
      await checkTampering(context, layout, provider);
    }
    await checkRefusals(context, layout);
  }
}

/** Ciphertexts that other implementations have written: every runtime must read them. */
async function checkPublished(context: Context, choices: readonly Choice[]): Promise<void> {
  const { checks } = context;
  const cases: [string, string, string][] = Object.entries(SAMPLE_ENVELOPES).map(([layout, text]) => [
    layout,
    text,
    SAMPLE_ASSOCIATED_DATA,
  ]);
  cases.push(["iv32", OFFICIAL_IV32_ENVELOPE, ""]);
  for (const [layout, text, aad] of cases) {
    checks.same(inspect(text).layout, layout, "layout of a published envelope");
    for (const provider of choices) {
      const what = `${layout} of others by ${provider}`;
      using held = sampleKey();
      for (const key of [SAMPLE_1, held]) {
        if (layout === "iv32" && lacksLongNonces(context, provider)) {
          const open = (): unknown => localDecrypt(text, key, aad, { provider });
          await checks.refuses("ERR_DECRYPT_FAILED", open, what);
          continue;
        }
        checks.same(await localDecrypt(text, key, aad, { provider }), SAMPLE_PLAINTEXT, what);
        if (provider === "webcrypto") continue;
        checks.same(localDecryptSync(text, key, aad, { provider }), SAMPLE_PLAINTEXT, `${what}, at once`);
      }
      const wrong = (): unknown => localDecrypt(text, SAMPLE_2, aad, { provider });
      await checks.refuses("ERR_DECRYPT_FAILED", wrong, `${what}, wrong key`);
    }
  }
}

/** The provider that is chosen for a large message must also read nonces of 32 bytes. */
async function checkLargeLegacy({ checks }: Context): Promise<void> {
  const text = "x".repeat(LARGE_LEGACY_BYTES);
  const nonce = new Uint8Array(32).fill(9);
  const raw = decodeBase64(SAMPLE_1.dataKey) as Uint8Array;
  const sealed = gcm(raw, nonce).encrypt(utf8(text, "text"));
  const envelope = serializeEnvelope({
    layout: "iv32",
    keyBlob: decodeBase64(SAMPLE_1.encryptedKeys) as Uint8Array,
    nonce,
    ciphertext: sealed.subarray(0, LARGE_LEGACY_BYTES),
    tag: sealed.subarray(LARGE_LEGACY_BYTES),
  });
  using held = sampleKey();
  for (const key of [SAMPLE_1, held]) {
    checks.same(await localDecrypt(envelope, key), text, "a large iv32");
    checks.same(localDecryptSync(envelope, key), text, "a large iv32, at once");
  }
}

async function checkRoundTrips(context: Context, layout: WritableLayout, provider: Choice): Promise<void> {
  const { checks } = context;
  const write = { layout, provider };
  using held = sampleKey();
  const texts = provider === undefined ? [...TEXTS, ...context.input.vectors.texts] : TEXTS;
  for (const key of [SAMPLE_1, held]) {
    for (const [i, text] of texts.entries()) {
      const aad = ASSOCIATED[i % ASSOCIATED.length];
      const what = (): string =>
        `${layout} by ${provider}: text ${i} with ${typeof aad}${key === held ? ", key held" : ""}`;
      const sealed = await localEncrypt(text, key, aad, write);
      checks.same(inspect(sealed).layout, layout, what);
      checks.same(inspect(sealed).plaintextBytes, utf8(text, "text").length, what);
      checks.ok(inspect(sealed).isCanonical, what);
      checks.same(await localDecrypt(sealed, key, aad, { provider }), text, what);
      checks.same(await localDecrypt(sealed, key, aad), text, () => `${what()}, by default`);
      checks.bytes(await localDecrypt(sealed, key, aad, { as: "bytes", provider }), utf8(text, "text"), what);
      if (provider === "webcrypto") continue;
      const now = localEncryptSync(text, key, aad, write);
      checks.same(localDecryptSync(sealed, key, aad, { provider }), text, () => `${what()}, at once`);
      checks.same(localDecryptSync(now, key, aad), text, () => `${what()}, sealed at once`);
      // The other reader: what any provider opens here, JavaScript alone must open.
      checks.same(
        localDecryptSync(now, SAMPLE_1, aad, { provider: "noble" }),
        text,
        () => `${what()}, noble`,
      );
    }
    await checkBytes(context, key, layout, provider);
  }
}

async function checkBytes(
  { checks }: Context,
  key: typeof SAMPLE_1 | ReturnType<typeof sampleKey>,
  layout: WritableLayout,
  provider: Choice,
): Promise<void> {
  const next = byteStream(3);
  for (const length of [0, 1, 15, 16, 17, 255, 1024, 1025, 16_384, 16_385, 98_305, 300_000]) {
    const data = next(length);
    const aad = next(length % 40);
    const what = (): string => `${layout} by ${provider}: ${length} bytes`;
    const before = Uint8Array.from(data);
    const sealed = await localEncrypt(data, key, aad, { layout, provider });
    checks.bytes(data, before, () => `${what()}, argument changed`);
    checks.bytes(await localDecrypt(sealed, key, aad, { as: "bytes", provider }), data, what);
    if (provider === "webcrypto") continue;
    const now = localEncryptSync(data, key, aad, { layout, provider });
    checks.bytes(localDecryptSync(now, key, aad, { as: "bytes" }), data, () => `${what()}, at once`);
  }
  // Authenticated, but no text.
  const sealed = await localEncrypt(Uint8Array.of(0xff, 0xfe), key, "", { layout, provider });
  const asText = (): unknown => localDecrypt(sealed, key, "", { provider });
  await checks.refuses("ERR_PLAINTEXT_NOT_TEXT", asText, `${layout} by ${provider}: bytes as text`);
}

/** Every byte of a short envelope: refused, unless it is of the key blob, which is the key service's to judge. */
async function checkTampering({ checks }: Context, layout: WritableLayout, provider: Choice): Promise<void> {
  using held = sampleKey();
  const text = await localEncrypt("tamper", held, "aad", { layout, provider });
  const bytes = decodeBase64(text)!;
  const blobText = layout === "dotnet" ? SAMPLE_1.encryptedKeys : undefined;
  const blob = blobText === undefined ? decodeBase64(SAMPLE_1.encryptedKeys)! : utf8(blobText, "blob");
  const blobAt = indexOf(bytes, blob);
  checks.ok(blobAt >= 0, `${layout}: holds its key blob`);
  let refused = 0;
  for (let at = 0; at < bytes.length; at++) {
    const isBlob = at >= blobAt && at < blobAt + blob.length;
    const altered = encodeBase64(flipped(bytes, 8 * at + (at % 8)));
    for (const key of [SAMPLE_1, held]) {
      let outcome: string;
      try {
        const opened = await localDecrypt(altered, key, "aad", { provider });
        outcome = opened === "tamper" ? "the message" : "a forgery";
      } catch (error) {
        outcome = codeOf(error);
      }
      const isRefused = REFUSALS.includes(outcome);
      if (isRefused) refused++;
      checks.ok(
        isRefused || (isBlob && outcome === "the message"),
        () => `${layout} by ${provider}: byte ${at} of ${bytes.length} altered: ${outcome}`,
      );
    }
  }
  checks.ok(refused >= 2 * (bytes.length - blob.length), `${layout}: too few refusals`);
  for (let length = 0; length < bytes.length; length += 7) {
    const cut = encodeBase64(bytes.subarray(0, length));
    const open = (): unknown => localDecrypt(cut, held, "aad", { provider });
    await checks.refuses(REFUSALS, open, `${layout} by ${provider}: cut to ${length}`);
  }
  for (const aad of [undefined, "", "aa", "aad ", "AAD"]) {
    const open = (): unknown => localDecrypt(text, held, aad, { provider });
    await checks.refuses("ERR_DECRYPT_FAILED", open, `${layout} by ${provider}: associated data ${aad}`);
  }
  const wrongKey = (): unknown => localDecrypt(text, SAMPLE_2, "aad", { provider });
  await checks.refuses("ERR_DECRYPT_FAILED", wrongKey, `${layout} by ${provider}: wrong key`);
}

function indexOf(bytes: Uint8Array, part: Uint8Array): number {
  for (let at = 0; at + part.length <= bytes.length; at++) {
    if (part.every((byte, i) => bytes[at + i] === byte)) return at;
  }
  return -1;
}

async function checkRefusals({ checks }: Context, layout: WritableLayout): Promise<void> {
  const refusesText = async (text: string): Promise<void> => {
    for (const call of [localEncrypt, localEncryptSync]) {
      using held = sampleKey();
      for (const key of [SAMPLE_1, held]) {
        const what = `${layout}: lone surrogate`;
        await checks.refuses("ERR_TEXT_MALFORMED", () => call(text, key, "", { layout }), what);
        await checks.refuses("ERR_TEXT_MALFORMED", () => call("a", key, text, { layout }), `${what} beside`);
      }
    }
  };
  for (const text of ["\ud800", "a\udfff", "\udc00\ud800", `${"x".repeat(2000)}\ud83d`])
    await refusesText(text);
  const disposed = sampleKey();
  disposed.dispose();
  for (const call of [localEncrypt, localEncryptSync]) {
    const late = (): unknown => call("a", disposed, "", { layout });
    await checks.refuses("ERR_DISPOSED", late, `${layout}: disposed key`);
    for (const wrong of [1, null, undefined, {}, [1]] as unknown as string[]) {
      const write = (): unknown => call(wrong, SAMPLE_1, "", { layout });
      await checks.refuses("ERR_INVALID_ARGUMENT", write, `${layout}: ${typeof wrong} is no data`);
    }
  }
  for (const text of ["", "====", "YWJj", "not base64", "ü", SAMPLE_1.dataKey]) {
    checks.ok(!isCiphertext(text), `"${text}" is no ciphertext`);
    const open = (): unknown => localDecryptSync(text, SAMPLE_1);
    await checks.refuses(["ERR_NOT_CIPHERTEXT", "ERR_ENVELOPE_MALFORMED"], open, `"${text}"`);
  }
  // A text envelope is read strictly; white space only where that is asked for.
  const sealed = localEncryptSync("strict", SAMPLE_1, "", { layout });
  const broken = `${sealed.slice(0, 76)}\r\n${sealed.slice(76)}`;
  const strict = (): unknown => localDecryptSync(broken, SAMPLE_1);
  await checks.refuses(["ERR_NOT_CIPHERTEXT", "ERR_ENVELOPE_MALFORMED"], strict, `${layout}: line break`);
  checks.same(localDecryptSync(broken, SAMPLE_1, "", { lenient: true }), "strict", `${layout}: leniently`);
}
