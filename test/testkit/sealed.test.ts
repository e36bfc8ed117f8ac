/** The testkit's files on sealed data keys: through a vault, through every provider of curves, and through SealedEncryptor. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { equalBytes } from "../../src/base/bytes.ts";
import { runtime } from "../../src/base/runtime.ts";
import { HERE } from "../../src/crypto/ciphers/of-call.ts";
import { Curves } from "../../src/crypto/curves/choose.ts";
import { NODE_CURVES_ROW } from "../../src/crypto/curves/node.ts";
import { NACL_CURVES_ROW } from "../../src/crypto/curves/tweetnacl.ts";
import { WEB_CURVES_ROW } from "../../src/crypto/curves/webcrypto.ts";
import { contextObject, parseCanonicalContext } from "../../src/crypto/keys/key-context.ts";
import { decodeSealedKeyBlob } from "../../src/crypto/keys/sealed-key-blob.ts";
import { UUID_BYTES, uuidToText } from "../../src/crypto/primitives/uuid.ts";
import { openSealedDataKey } from "../../src/crypto/sealed/sealed-data-key.ts";
import { sealedTools } from "../../src/crypto/sealed/tools.ts";
import { SealedEncryptor } from "../../src/sealed/index.ts";
import { base64, concat, fromBase64, toHexText } from "../support/bytes.ts";
import { openTestVault, TestClock } from "../support/vaults.ts";
import { reportChecked } from "../support/vectors.ts";
import { makeSealed } from "./make.ts";
import {
  type BlobFile,
  type DocumentFile,
  encodeSealed,
  readSealed,
  SEALED_DIRECTORY,
  type SignedBlobFile,
} from "./sealed-format.ts";

const KEY_BYTES = 32;
/** Of the wrap of a private key ([KEY-25]). */
const WRAP_NONCE_BYTES = 24;

/** What the vault draws next instead of random bytes, by how many it asks for. */
const drawn = vi.hoisted(() => new Map<number, Uint8Array[]>());

vi.mock("../../src/crypto/primitives/random.ts", async (load) => {
  const real = await load<typeof import("../../src/crypto/primitives/random.ts")>();
  const randomBytes = (length: number): Uint8Array => drawn.get(length)?.shift() ?? real.randomBytes(length);
  return { ...real, randomBytes };
});

const FILES = readSealed();
const BLOBS = FILES.filter((file): file is BlobFile => file.kind === "key-blob");
const SIGNED = FILES.filter((file): file is SignedBlobFile => file.kind === "signed-key-blob");
const DOCUMENTS = FILES.filter((file): file is DocumentFile => file.kind === "document");
const ROWS = [NODE_CURVES_ROW, NACL_CURVES_ROW, WEB_CURVES_ROW].map((row) => [row.name, row] as const);

async function outcome(call: () => unknown): Promise<unknown> {
  try {
    return await call();
  } catch (error) {
    return (error as { code: string }).code;
  }
}

describe("the files", () => {
  test("are what the script makes, byte for byte", () => {
    const made = makeSealed();
    expect(made.map(({ name }) => name).sort()).toEqual(readdirSync(SEALED_DIRECTORY).sort());
    for (const file of made) {
      const stored = readFileSync(join(SEALED_DIRECTORY, file.name));
      expect(Buffer.compare(stored, encodeSealed(file)), file.name).toBe(0);
    }
  });

  test("are as many as the page says, most of them wrong", () => {
    const wrong = (files: readonly { expect: string }[]) =>
      files.filter((file) => file.expect !== "ok").length;
    expect(wrong(BLOBS)).toBeGreaterThanOrEqual(60);
    expect(wrong(DOCUMENTS)).toBeGreaterThanOrEqual(60);
    expect(wrong(SIGNED)).toBeGreaterThanOrEqual(60);
    expect(readFileSync(join(import.meta.dirname, "README.md"), "utf8")).toContain(
      `\n${FILES.length} files `,
    );
  });
});

describe("sealed key blobs", () => {
  test.each([
    ["of a context ([SDK-2], [SDK-5], [SDK-6], [SDK-8], [SDK-22])", false],
    ["that is environment-wide ([SDK-42], [SDK-43])", true],
  ] as const)("given to a vault that has their recipient, one %s", async (_, isWide) => {
    const files = BLOBS.filter((file) => isWide === (file.context.length === 0));
    const { recipientId, context, privateKeys } = files[0]!;
    const keyContext = isWide
      ? { "coffer.environment-wide": "recipients" }
      : contextObject(parseCanonicalContext(context));
    const vault = await openTestVault({ cache: { maxEntries: 0 } });
    // The KEKs are there, so that the recipient's are the next draws of these lengths.
    (await vault.createDataKey({ context: keyContext })).dispose();
    drawn.set(
      KEY_BYTES + WRAP_NONCE_BYTES,
      privateKeys.map((key, i) => concat(key, new Uint8Array(WRAP_NONCE_BYTES).fill(i))),
    );
    drawn.set(UUID_BYTES, [Uint8Array.from(recipientId)]);
    const { id } = await vault.recipients.create(
      isWide ? { environmentWide: true } : { context: keyContext },
    );
    expect(id).toBe(uuidToText(recipientId));
    await vault.recipients.rotate({ id });
    expect([...drawn.values()].flat()).toEqual([]);

    for (const file of files) {
      const got = await outcome(() => vault.keys.createDecrypt({ keys: base64(file.payload) }));
      if (file.expect === "ok") {
        const key = got as { id: string; dataKey: string };
        expect(toHexText(fromBase64(key.dataKey)), file.name).toBe(toHexText(file.dataKey));
        expect(key.id, file.name).toBe(uuidToText(file.dataKeyId));
      } else {
        expect(got, `${file.name}: ${file.comment}`).toBe(file.expect);
      }
    }
    reportChecked(files.length, "sealed key blobs of the testkit by a vault");
  });

  test.each(ROWS.filter(([, row]) => row.start(runtime)?.isSync))(
    "opened by hand, with %s",
    async (name, row) => {
      const tools = sealedTools(HERE, new Curves([row], runtime));
      const open = ({ payload, privateKeys, recipientId, context }: BlobFile): Uint8Array | string => {
        const blob = decodeSealedKeyBlob(payload);
        const privateKey = privateKeys[blob.version - 1];
        if (privateKey === undefined || !equalBytes(blob.recipientId, recipientId))
          return "ERR_KEY_NOT_FOUND";
        const isForIt = context.length === 0 || equalBytes(blob.context.bytes, context);
        if (blob.suite !== "x25519" || !isForIt) return "ERR_DECRYPT_FAILED";
        return openSealedDataKey(tools, blob, privateKey);
      };
      for (const file of BLOBS) {
        const got = await outcome(() => open(file));
        const expected = file.expect === "ok" ? file.dataKey : file.expect;
        expect(got, `${file.name}: ${file.comment}`).toEqual(expected);
      }
      reportChecked(BLOBS.length, `sealed key blobs of the testkit by ${name}`);
    },
  );
});

describe("signed sealed key blobs", () => {
  const settings = [
    ...Map.groupBy(SIGNED, ({ requiresSender, senders }) => `${requiresSender} ${senders.length}`),
  ];

  test.each(settings)(
    "given to a vault that has their recipient, demanding and of as many senders: %s ([SDK-50] to [SDK-54])",
    async (_, files) => {
      const { recipientId, context, privateKeys, requiresSender, senders } = files[0]!;
      const keyContext = contextObject(parseCanonicalContext(context));
      const clock = new TestClock();
      const vault = await openTestVault({ now: clock.now, cache: { maxEntries: 0 } });
      (await vault.createDataKey({ context: keyContext })).dispose();
      drawn.set(
        KEY_BYTES + WRAP_NONCE_BYTES,
        privateKeys.map((key, i) => concat(key, new Uint8Array(WRAP_NONCE_BYTES).fill(i))),
      );
      drawn.set(UUID_BYTES, [Uint8Array.from(recipientId)]);
      const { id } = await vault.recipients.create({ context: keyContext, requireSender: requiresSender });
      await vault.recipients.rotate({ id });
      expect([...drawn.values()].flat()).toEqual([]);
      for (const { publicKey, state } of senders) {
        const expiresAt = state === "expired" ? new Date(clock.now() + 1) : undefined;
        const request = { recipientId: id, name: state, publicKey: base64(publicKey), expiresAt };
        const sender = await vault.recipients.senders.add(request);
        if (state === "revoked") await vault.recipients.senders.revoke({ recipientId: id, id: sender.id });
      }
      clock.advance(1);
      for (const file of files) {
        const got = await outcome(() => vault.keys.createDecrypt({ keys: base64(file.payload) }));
        if (file.expect === "ok") {
          const key = got as { id: string; dataKey: string; sender: string | undefined };
          expect(toHexText(fromBase64(key.dataKey)), file.name).toBe(toHexText(file.dataKey));
          expect(key.id, file.name).toBe(uuidToText(file.dataKeyId));
          expect(key.sender, file.name).toBe(
            file.senderId.length === 0 ? undefined : uuidToText(file.senderId),
          );
        } else {
          expect(got, `${file.name}: ${file.comment}`).toBe(file.expect);
        }
      }
      await vault.close();
      reportChecked(files.length, "signed sealed key blobs of the testkit by a vault");
    },
  );
});

describe("recipient documents", () => {
  test.each(ROWS)(
    "given to a sealer with %s ([SDK-9] to [SDK-12], [SDK-14], [SDK-41], [SDK-42])",
    async (name, row) => {
      const curves = new Curves([row], runtime);
      for (const file of DOCUMENTS) {
        const { signer, minVersion, now, context } = file;
        const got = await outcome(async () => {
          const encryptor = new SealedEncryptor({
            recipient: Buffer.from(file.payload).toString("utf8"),
            signer: signer === "" ? undefined : signer,
            minVersion: minVersion === 0 ? undefined : minVersion,
            context: context === "" ? undefined : JSON.parse(context),
            now: () => now,
            curves,
          });
          (await encryptor.createDataKey()).dispose();
          return "ok";
        });
        expect(got, `${file.name}: ${file.comment}`).toBe(file.expect);
      }
      reportChecked(DOCUMENTS.length, `recipient documents of the testkit by ${name}`);
    },
  );
});
