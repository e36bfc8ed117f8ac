/** The short ways answer what the long way answers, for every text; and no writer makes what a reader takes for something else. */
import { createCipheriv } from "node:crypto";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { claimsEarlierLayout, parseEnvelope } from "../../src/crypto/envelope/envelope.ts";
import { detectLayout, LAYOUTS } from "../../src/crypto/envelope/layouts.ts";
import {
  DataKey,
  localDecrypt,
  localDecryptSync,
  localEncrypt,
  localEncryptSync,
  splice,
} from "../../src/crypto/index.ts";
import { Vault } from "../../src/facade/vault.ts";
import { Lease } from "../../src/keys/index.ts";
import { craft, numbers } from "../support/crafted-envelopes.ts";
import { errorOf, rejectionOf } from "../support/errors.ts";
import { MemoryKeyService, noStore } from "../support/memory-service.ts";

const drawn = vi.hoisted(() => ({ forced: [] as Uint8Array[] }));
vi.mock("../../src/crypto/primitives/random.ts", async (load) => {
  const real = await load<typeof import("../../src/crypto/primitives/random.ts")>();
  return {
    ...real,
    fillRandom(target: Uint8Array, offset: number, length: number) {
      const next = drawn.forced.shift();
      if (next === undefined) real.fillRandom(target, offset, length);
      else target.set(next, offset);
    },
  };
});
beforeEach(() => {
  drawn.forced = [];
});

const RAW = Uint8Array.from({ length: 32 }, (_, i) => i);
const blobOf = (magic: string, bytes: number): Uint8Array =>
  Uint8Array.from({ length: bytes }, (_, i) => (i < magic.length ? magic.charCodeAt(i) : i));
const BLOBS = [blobOf("WOS.EKM.v1\0", 206), blobOf("WOS.EKM.v1\0", 11), blobOf("CFR.EKM.v1\0", 151)];
const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");
const newKey = (blob: Uint8Array): DataKey =>
  new DataKey({ id: "id", key: RAW, encryptedKeys: base64(blob) });
const ISSUE = Buffer.from("\x7fWOS.EKM.v1\0", "latin1");

/** What comes of a call: the text, or code and message. */
function outcome(call: () => unknown): string {
  try {
    return `text ${String(call())}`;
  } catch (error) {
    return `${(error as { code?: string }).code}: ${(error as Error).message}`;
  }
}

/** An envelope in `iv12` with a chosen nonce. */
function sealWith(nonce: Uint8Array, blob: Uint8Array): string {
  const cipher = createCipheriv("aes-256-gcm", RAW, nonce);
  const body = Buffer.concat([cipher.update("iv12!"), cipher.final()]);
  const length = blob.length < 128 ? [blob.length] : [(blob.length & 0x7f) | 0x80, blob.length >> 7];
  return Buffer.concat([nonce, cipher.getAuthTag(), Uint8Array.from(length), blob, body]).toString("base64");
}

describe("[ENV-39] short ways and the long way", () => {
  test.each(BLOBS.map((blob, i) => [i, blob] as const))("crafted envelopes, key blob %i", (seed, blob) => {
    const pick = numbers(seed + 1);
    const key = newKey(blob);
    const leases = (["iv12", "leb-first", "dotnet"] as const).map(
      (layout) => new Lease(newKey(blob), { layout, maxMessages: 2 ** 32 }),
    );
    let opened = 0;
    for (let n = 0; n < 4000; n++) {
      const { text, lenient } = craft(pick, RAW, [blob, ...BLOBS]);
      const long = outcome(() => localDecryptSync(text, { dataKey: RAW }, "", { lenient }));
      if (long.startsWith("text")) opened += 1;
      for (const provider of [undefined, "node", "wasm"] as const) {
        const short = outcome(() => localDecryptSync(text, key, "", { lenient, provider }));
        if (short !== long) throw new Error(`${text}: ${short}, not ${long}`);
      }
      for (const lease of leases) {
        const longWay = outcome(() => lease.decryptSync(text, "", { lenient, layouts: LAYOUTS }));
        const short = outcome(() => lease.decryptSync(text, "", { lenient }));
        const [batch] = lease.decryptManySync([text], "", { lenient });
        const many = outcome(() => {
          if (!batch!.ok) throw batch!.error;
          return batch!.value;
        });
        if (short !== longWay || many !== longWay)
          throw new Error(`${text}: ${short}, ${many}, not ${longWay}`);
      }
    }
    expect(opened).toBeGreaterThan(200);
  });

  test("the nonce of the issue: one ciphertext, one key, one answer, also from a warm cache and in batches", async () => {
    const service = new MemoryKeyService();
    const vault = new Vault({ keys: service, kv: noStore() });
    const first = await vault.encrypt("first", { a: "b" });
    expect(await vault.decrypt(first)).toBe("first");
    const { keyBlob } = parseEnvelope(first);
    using key = await service.createDecrypt({ keys: base64(keyBlob) });
    for (const nonce of [ISSUE, Buffer.from("CFR1\x01\0\x0bCFR.E", "latin1")]) {
      const cipher = createCipheriv("aes-256-gcm", Buffer.from(key.dataKey, "base64"), nonce);
      const body = Buffer.concat([cipher.update("twice"), cipher.final()]);
      const head = parseEnvelope(first).nonce.length + 16;
      const frame = Buffer.from(first, "base64").subarray(head, head + 2 + keyBlob.length);
      const text = Buffer.concat([nonce, cipher.getAuthTag(), frame, body]).toString("base64");
      const answer = async (options: object): Promise<string> => {
        try {
          return await vault.decrypt(text, "", options);
        } catch (error) {
          return (error as { code: string }).code;
        }
      };
      expect(await answer({})).toBe(await answer({ layouts: LAYOUTS }));
      expect(outcome(() => localDecryptSync(text, key))).toBe(
        outcome(() => localDecryptSync(text, { dataKey: key.dataKey })),
      );
    }
  });

  test("a batch of one key blob in two layouts", () => {
    const blob = BLOBS[1]!;
    const lease = new Lease(newKey(blob), {});
    const text = sealWith(Buffer.from("\x0bWOS.EKM.v1\0", "latin1"), blob);
    expect(detectLayout(Buffer.from(text, "base64"))).toBe("leb-first");
    for (const items of [[text], Array(20).fill(text)]) {
      for (const result of lease.decryptManySync(items)) expect(result.ok).toBe(false);
    }
  });
});

describe("[ENV-38] nonces that a writer draws again", () => {
  const forbidden = [
    ISSUE,
    Buffer.from("\x00CFR.EKM.v1\0", "latin1"),
    Buffer.from("\xce\x01WOS.EKM.v1", "latin1"),
    Buffer.from("\x80\x80\x80\x80\x0fCFR.EKM", "latin1"),
    Buffer.from("CFR1\x01\0\x0bCFR.E", "latin1"),
    Buffer.from("CFR1\xff\xff\xff\xff\xff\xff\xff\xff", "latin1"),
  ];

  test.each(["iv12", "dotnet"] as const)("%s: in every way to write", async (layout) => {
    const long = "x".repeat(5000);
    for (const nonce of forbidden) {
      const ways = [
        (data: string) => localEncryptSync(data, newKey(BLOBS[0]!), "", { layout, provider: "wasm" }),
        (data: string) => localEncryptSync(data, newKey(BLOBS[0]!), "", { layout, provider: "node" }),
        (data: string) =>
          localEncryptSync(data, { dataKey: RAW, encryptedKeys: base64(BLOBS[0]!) }, "", { layout }),
        (data: string) => localEncrypt(data, newKey(BLOBS[0]!), "", { layout, provider: "webcrypto" }),
        (data: string) => {
          const [result] = new Lease(newKey(BLOBS[0]!), { layout }).encryptManySync([data]);
          return (result as { value: string }).value;
        },
      ];
      for (const write of ways) {
        for (const data of ["short", long]) {
          drawn.forced = [nonce, nonce];
          const text = await write(data);
          expect(drawn.forced).toEqual([]);
          const envelope = parseEnvelope(text);
          expect(envelope.layout).toBe(layout);
          expect(Buffer.from(envelope.nonce).equals(nonce)).toBe(false);
          expect(localDecryptSync(text, { dataKey: RAW })).toBe(data);
        }
      }
    }
  });

  test("a batch that counts into one draws a fresh one", () => {
    const lease = new Lease(newKey(BLOBS[0]!), {});
    // The next number begins with CFR1.
    drawn.forced = [Buffer.from("CFR0\xff\xff\xff\xff\xff\xff\xff\xff", "latin1")];
    const results = lease.encryptManySync(Array(20).fill("text"));
    const nonces = results.map((result) => parseEnvelope((result as { value: string }).value).nonce);
    expect(nonces.some((nonce) => claimsEarlierLayout(nonce, 0))).toBe(false);
    expect(new Set(nonces.map(base64)).size).toBe(20);
  });

  test("what claims nothing is never detected as an earlier layout; a splice keeps that", () => {
    const pick = numbers(9);
    for (let n = 0; n < 20_000; n++) {
      const { text } = craft(pick, RAW, BLOBS);
      const bytes = Buffer.from(text, "base64");
      const layout = detectLayout(bytes);
      if (layout === "native" || layout === "leb-first") expect(claimsEarlierLayout(bytes, 0)).toBe(true);
      let moved: string;
      try {
        moved = splice(text, base64(BLOBS[pick(3)]!));
      } catch {
        continue;
      }
      expect(parseEnvelope(moved).layout).toBe(layout);
    }
  });
});

test("[ENV-15] a held key reads only the layouts that a call names, at once and later", async () => {
  const encryptedKeys = Buffer.from(blobOf("WOS.EKM.v1\0", 206)).toString("base64");
  const key = new DataKey({ id: "id", key: RAW, encryptedKeys });
  const text = localEncryptSync("x", key);
  for (const options of [{ layouts: ["native"] }, { layouts: [] }, { requireCommitment: true }] as const) {
    expect(errorOf(() => localDecryptSync(text, key, "", options)).code).toBe("ERR_LAYOUT_NOT_ALLOWED");
    const error = await rejectionOf(() => localDecrypt(text, key, "", options));
    expect(error.code).toBe("ERR_LAYOUT_NOT_ALLOWED");
  }
  expect(localDecryptSync(text, key, "", { layouts: ["iv12"] })).toBe("x");
});
