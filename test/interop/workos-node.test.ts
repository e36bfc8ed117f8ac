/**
 * WorkOS's own Node SDK, four generations of it, against coffer: run for real over HTTP on 127.0.0.1.
 *
 * Owns the claim that coffer and the SDK read what the other writes, and the list of what differs. The key
 * service in between hands out coffer's wrapped keys and, in a second round, wrapped keys that look like WorkOS's.
 *
 * @module
 */
import { createCipheriv } from "node:crypto";
import fc from "fast-check";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { WorkOS as WorkOs7Iv32 } from "workos-node-7.45";
import { WorkOS as WorkOs7 } from "workos-node-7.57";
import { WorkOS as WorkOs10 } from "workos-node-10.9";
import { WorkOS as WorkOs11 } from "workos-node-11";
import { parseEnvelope, serializeEnvelope } from "../../src/crypto/envelope/envelope.ts";
import { inspect, isCiphertext, splice } from "../../src/crypto/envelope/inspect.ts";
import { localDecrypt, localEncrypt } from "../../src/crypto/local.ts";
import { Vault } from "../../src/facade/vault.ts";
import type { KvService } from "../../src/kv/kv-service.ts";
import { openVault } from "../../src/vault/open-vault.ts";
import { wellFormedText } from "../support/arbitraries.ts";
import { base64, fromBase64 } from "../support/bytes.ts";
import { rejectionOf } from "../support/errors.ts";
import {
  STUB_API_KEY,
  type StubKeyService,
  startStubKeyService,
  WorkOsLookingKeys,
} from "../support/stub-key-service.ts";

type Context = Record<string, string>;

/** What the four generations have in common; the first knows no associated data, the first two no rekey. */
interface SdkVault {
  encrypt(data: string, context: Context, associatedData?: string): Promise<string>;
  decrypt(encryptedData: string, associatedData?: string): Promise<string>;
  createDataKey(options: { context: Context }): Promise<{
    dataKey: { key: string; id: string };
    encryptedKeys: string;
  }>;
  decryptDataKey(options: { keys: string }): Promise<{ key: string; id: string }>;
  createRekey?(options: { context: Context; encryptedKeys: string }): Promise<{ encryptedKeys?: string }>;
}

interface Generation {
  readonly version: string;
  readonly layout: "iv12" | "iv32";
  /** Decoded with a TextDecoder that takes a leading byte order mark away. */
  readonly dropsByteOrderMark: boolean;
  readonly hasAssociatedData: boolean;
  connect(port: number): SdkVault;
}

const at = (port: number) => ({ apiHostname: "127.0.0.1", port, https: false });

const GENERATIONS: readonly Generation[] = [
  {
    version: "7.45.0",
    layout: "iv32",
    dropsByteOrderMark: false,
    hasAssociatedData: false,
    connect: (port) => new WorkOs7Iv32(STUB_API_KEY, at(port)).vault,
  },
  {
    version: "7.57.0",
    layout: "iv12",
    dropsByteOrderMark: true,
    hasAssociatedData: true,
    connect: (port) => new WorkOs7(STUB_API_KEY, at(port)).vault,
  },
  {
    version: "10.9.0",
    layout: "iv12",
    dropsByteOrderMark: true,
    hasAssociatedData: true,
    connect: (port) => new WorkOs10(STUB_API_KEY, at(port)).vault,
  },
  {
    version: "11.0.0",
    layout: "iv12",
    dropsByteOrderMark: true,
    hasAssociatedData: true,
    connect: (port) => new WorkOs11(STUB_API_KEY, at(port)).vault,
  },
];
const IV12_GENERATIONS = GENERATIONS.filter(({ layout }) => layout === "iv12");

const CONTEXT = { organization_id: "org_1" };
const OTHER_CONTEXT = { organization_id: "org_2" };
const BYTE_ORDER_MARK = "\u{feff}";

const TEXTS: readonly [what: string, text: string][] = [
  ["nothing", ""],
  ["one character", "x"],
  ["ASCII", "postgres://app:s3cret@db.internal:5432/app?sslmode=require"],
  ["two to four bytes a character", "Grüße, 日本語, \u{1f511}, e\u{301}, \u{10ffff}"],
  ["NUL and controls", "\0a\r\n\t\u{7f}\u{85}\u{2028}"],
  ["a byte order mark inside", `a${BYTE_ORDER_MARK}b`],
  ["100,000 characters", "a\u{e4}\u{20ac}\u{1f511}".repeat(25_000)],
];
const ASSOCIATED_DATA: readonly [what: string, associatedData: string | undefined][] = [
  ["no", undefined],
  ["ASCII", "user:42"],
  ["non-ASCII", "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467} \u{e4}"],
];

interface Side {
  readonly vault: Vault;
  readonly service: StubKeyService;
  /** What this side's wrapped keys are, as `inspect` tells it. */
  readonly format: "coffer" | "workos";
}

const SIDES = ["coffer", "workos"] as const;
const sides = new Map<Side["format"], Side>();
const closing = new AsyncDisposableStack();

beforeAll(async () => {
  const embedded = closing.use(await openVault({ path: ":memory:" }));
  const looking = new WorkOsLookingKeys();
  // No test here stores anything.
  const remote = closing.use(new Vault({ keys: looking, kv: {} as KvService }));
  sides.set("coffer", {
    vault: embedded,
    service: closing.use(await startStubKeyService(embedded)),
    format: "coffer",
  });
  sides.set("workos", {
    vault: remote,
    service: closing.use(await startStubKeyService(looking)),
    format: "workos",
  });
});

afterAll(() => closing.disposeAsync());

/** The parts of a ciphertext that rekeying must not touch. */
function payload(ciphertext: string): string {
  const { nonce, ciphertext: data, tag } = parseEnvelope(ciphertext);
  return [nonce, data, tag].map(base64).join(" ");
}

describe.each(SIDES)("with wrapped keys of the form: %s", (format) => {
  let side: Side;
  beforeEach(() => {
    side = sides.get(format)!;
    side.service.requests.length = 0;
  });

  describe.each(GENERATIONS)("@workos-inc/node $version", (generation) => {
    let sdk: SdkVault;
    beforeEach(() => {
      sdk = generation.connect(side.service.port);
    });
    const cases = TEXTS.flatMap(([what, text]) =>
      ASSOCIATED_DATA.filter(([, aad]) => generation.hasAssociatedData || aad === undefined).map(
        ([kind, aad]) => ({ what, text, kind, aad }),
      ),
    );

    test.each(cases)("coffer opens what it writes: $what, $kind associated data", async (item) => {
      const written = await sdk.encrypt(item.text, CONTEXT, item.aad);
      expect(await side.vault.decrypt(written, item.aad)).toBe(item.text);
      expect(await side.vault.decrypt(written, item.aad, { layouts: [generation.layout] })).toBe(item.text);
    });

    test("coffer's inspect knows what it writes", async () => {
      const written = await sdk.encrypt("s3cret", CONTEXT);
      const asked = side.service.requests.at(-1)!;
      expect(asked).toMatchObject({ path: "/vault/v1/keys/data-key", body: { context: CONTEXT } });
      const info = inspect(written);
      expect(info).toMatchObject({
        layout: generation.layout,
        isCanonical: true,
        nonceBytes: generation.layout === "iv32" ? 32 : 12,
        plaintextBytes: 6,
        keyBlob: { format: side.format, keks: [{}] },
      });
      const key = await sdk.decryptDataKey({ keys: info.encryptedKeys });
      expect(info.keyBlob.dataKeyId).toBe(key.id);
      expect(isCiphertext(written)).toBe(true);
      // The key that the SDK holds opens it without any vault.
      expect(await localDecrypt(written, { dataKey: key.key })).toBe("s3cret");
    });

    test("what coffer has rekeyed of it still opens, payload untouched", async () => {
      const aad = generation.hasAssociatedData ? "user:42" : undefined;
      const written = await sdk.encrypt("s3cret \u{1f511}", CONTEXT, aad);
      const moved = await side.vault.rekey(written, OTHER_CONTEXT);
      expect(payload(moved)).toBe(payload(written));
      expect(inspect(moved).layout).toBe(generation.layout);
      expect(inspect(moved).encryptedKeys).not.toBe(inspect(written).encryptedKeys);
      expect(await sdk.decrypt(moved, aad)).toBe("s3cret \u{1f511}");
      expect(await side.vault.decrypt(moved, aad, { context: OTHER_CONTEXT })).toBe("s3cret \u{1f511}");
    });
  });

  describe.each(IV12_GENERATIONS)("@workos-inc/node $version", (generation) => {
    let sdk: SdkVault;
    beforeEach(() => {
      sdk = generation.connect(side.service.port);
    });

    test.each(
      TEXTS.flatMap(([what, text]) => ASSOCIATED_DATA.map(([kind, aad]) => ({ what, text, kind, aad }))),
    )("opens what coffer writes: $what, $kind associated data", async ({ text, aad }) => {
      const written = await side.vault.encrypt(text, CONTEXT, aad);
      expect(inspect(written).layout).toBe("iv12");
      expect(await sdk.decrypt(written, aad)).toBe(text);
    });

    test("reads and is read, whatever the text and the associated data", async () => {
      const associatedData = fc.option(wellFormedText, { nil: undefined });
      const property = fc.asyncProperty(wellFormedText, associatedData, async (text, aad) => {
        expect(await side.vault.decrypt(await sdk.encrypt(text, CONTEXT, aad), aad)).toBe(text);
        const seen = text.startsWith(BYTE_ORDER_MARK) ? text.slice(1) : text;
        expect(await sdk.decrypt(await side.vault.encrypt(text, CONTEXT, aad), aad)).toBe(seen);
      });
      await fc.assert(property, { numRuns: 100 });
    });

    test("opens what coffer has encrypted with the data key that the SDK fetched", async () => {
      const { dataKey, encryptedKeys } = await sdk.createDataKey({ context: CONTEXT });
      const key = { dataKey: dataKey.key, encryptedKeys };
      const written = await localEncrypt("s3cret", key, "user:42");
      expect(await sdk.decrypt(written, "user:42")).toBe("s3cret");
    });

    test("opens what a lease wrote", async () => {
      using lease = await side.vault.lease(CONTEXT);
      for (const text of ["a", "b", ""]) expect(await sdk.decrypt(lease.encryptSync(text))).toBe(text);
    });

    test("takes empty associated data for none, as coffer does", async () => {
      expect(await side.vault.decrypt(await sdk.encrypt("s3cret", CONTEXT, ""))).toBe("s3cret");
      expect(await sdk.decrypt(await side.vault.encrypt("s3cret", CONTEXT, ""))).toBe("s3cret");
      expect(await sdk.decrypt(await side.vault.encrypt("s3cret", CONTEXT), "")).toBe("s3cret");
    });

    test("refuses wrong associated data with its runtime's words, coffer with its one code", async () => {
      const theirs = await sdk.encrypt("s3cret", CONTEXT, "user:42");
      const ours = await side.vault.encrypt("s3cret", CONTEXT, "user:42");
      for (const wrong of ["user:43", "", undefined]) {
        expect(await rejectionOf(() => side.vault.decrypt(theirs, wrong))).toMatchObject({
          code: "ERR_DECRYPT_FAILED",
        });
        expect(await rejectionOf(() => sdk.decrypt(ours, wrong))).toMatchObject({
          name: "OperationError",
          message: expect.stringContaining("The operation failed for an operation-specific reason"),
        });
      }
    });
  });

  // The 7.x line has no rekey.
  describe.each(GENERATIONS.slice(2))("@workos-inc/node $version", (generation) => {
    test("its rekey and coffer's splice move a ciphertext together", async () => {
      const sdk = generation.connect(side.service.port);
      const written = await side.vault.encrypt("s3cret", CONTEXT, "user:42");
      const { encryptedKeys } = await sdk.createRekey!({
        context: OTHER_CONTEXT,
        encryptedKeys: inspect(written).encryptedKeys,
      });
      const moved = splice(written, encryptedKeys!);
      expect(payload(moved)).toBe(payload(written));
      expect(await sdk.decrypt(moved, "user:42")).toBe("s3cret");
      expect(await side.vault.decrypt(moved, "user:42", { context: OTHER_CONTEXT })).toBe("s3cret");
    });
  });
});

describe("a context of several entries", () => {
  test.each(GENERATIONS)("$version carries coffer's longer wrapped key", async (generation) => {
    const { vault, service } = sides.get("coffer")!;
    const sdk = generation.connect(service.port);
    const context = { organization_id: "org_1", user_id: "user_1", purpose: "f\u{fc}r alles" };
    const written = await sdk.encrypt("s3cret", context);
    expect(inspect(written).keyBlob.keks).toHaveLength(3);
    expect(await vault.decrypt(written, undefined, { context })).toBe("s3cret");
    if (generation.layout === "iv12")
      expect(await sdk.decrypt(await vault.encrypt("s3cret", context))).toBe("s3cret");
  });
});

describe("what differs between the SDK and coffer", () => {
  let side: Side;
  beforeEach(() => {
    side = sides.get("coffer")!;
    side.service.requests.length = 0;
  });

  test.each(GENERATIONS)(
    "$version and a leading byte order mark: dropped = $dropsByteOrderMark",
    async (g) => {
      const sdk = g.connect(side.service.port);
      const text = `${BYTE_ORDER_MARK}name,value`;
      const written = await sdk.encrypt(text, CONTEXT);
      // The mark is in the ciphertext: only the SDK's own reading loses it.
      expect(inspect(written).plaintextBytes).toBe(13);
      expect(await side.vault.decrypt(written)).toBe(text);
      expect(await sdk.decrypt(written)).toBe(g.dropsByteOrderMark ? "name,value" : text);
    },
  );

  test.each(GENERATIONS)("$version repairs a lone surrogate silently; coffer refuses it", async (g) => {
    const sdk = g.connect(side.service.port);
    const written = await sdk.encrypt("a\u{d800}b", CONTEXT);
    expect(await side.vault.decrypt(written)).toBe("a\u{fffd}b");
    const before = side.service.requests.length;
    expect(await rejectionOf(() => side.vault.encrypt("a\u{d800}b", CONTEXT))).toMatchObject({
      code: "ERR_TEXT_MALFORMED",
    });
    expect(side.service.requests).toHaveLength(before);
  });

  test.each(IV12_GENERATIONS)("$version reads bytes that are no text as text; coffer does not", async (g) => {
    const sdk = g.connect(side.service.port);
    const bytes = Uint8Array.of(0x61, 0xff, 0xfe, 0x62);
    const written = await side.vault.encrypt(bytes, CONTEXT);
    expect(await sdk.decrypt(written)).toBe("a\u{fffd}\u{fffd}b");
    expect(await rejectionOf(() => side.vault.decrypt(written))).toMatchObject({
      code: "ERR_PLAINTEXT_NOT_TEXT",
    });
    expect(await side.vault.decrypt(written, undefined, { as: "bytes" })).toEqual(bytes);
  });

  test.each(GENERATIONS)("$version reads base64 with line breaks; coffer only when lenient", async (g) => {
    const sdk = g.connect(side.service.port);
    const written = await sdk.encrypt("s3cret", CONTEXT);
    const wrapped = `${written.replace(/.{76}/g, "$&\n")}\n`;
    const unpadded = written.replace(/=+$/, "");
    for (const text of [wrapped, unpadded]) {
      expect(await sdk.decrypt(text)).toBe("s3cret");
      expect(await side.vault.decrypt(text, undefined, { lenient: true })).toBe("s3cret");
    }
    expect(await rejectionOf(() => side.vault.decrypt(wrapped))).toMatchObject({
      code: "ERR_NOT_CIPHERTEXT",
    });
  });

  test("7.45.0 knows no associated data and drops it without a word", async () => {
    const sdk = GENERATIONS[0]!.connect(side.service.port);
    const written = await sdk.encrypt("s3cret", CONTEXT, "user:42");
    expect(await side.vault.decrypt(written)).toBe("s3cret");
    expect(await rejectionOf(() => side.vault.decrypt(written, "user:42"))).toMatchObject({
      code: "ERR_DECRYPT_FAILED",
    });
  });

  test.each(GENERATIONS)("$version sends a context value that is no text; coffer answers 422", async (g) => {
    const sdk = g.connect(side.service.port);
    await expect(sdk.encrypt("s3cret", { organization_id: 1 } as never)).rejects.toMatchObject({
      status: 422,
    });
    expect(side.service.requests).toMatchObject([{ body: { context: { organization_id: 1 } }, status: 422 }]);
  });

  test.each(GENERATIONS)("$version sends a slice of the other nonce's layout to the service", async (g) => {
    // With these wrapped keys and this nonce the byte at the wrong place is always a valid length; with others the
    // SDK may stumble before it asks.
    const { vault, service } = sides.get("workos")!;
    const sdk = g.connect(service.port);
    const { dataKey, encryptedKeys } = await sdk.createDataKey({ context: CONTEXT });
    const foreign =
      g.layout === "iv32"
        ? await localEncrypt("s3cret", { dataKey: dataKey.key, encryptedKeys })
        : sealIv32("s3cret", dataKey.key, encryptedKeys);
    expect(await vault.decrypt(foreign)).toBe("s3cret");
    service.requests.length = 0;
    await expect(sdk.decrypt(foreign)).rejects.toMatchObject({ status: 400 });
    expect(service.requests).toMatchObject([{ path: "/vault/v1/keys/decrypt", status: 400 }]);
    expect(service.requests[0]!.body.keys).not.toBe(encryptedKeys);
  });

  test.each(["leb-first", "dotnet"] as const)("no generation reads %s", async (layout) => {
    const written = await side.vault.encrypt("s3cret", CONTEXT, undefined, { layout });
    for (const generation of GENERATIONS) {
      await rejectionOf(() => generation.connect(side.service.port).decrypt(written));
    }
    expect(await side.vault.decrypt(written)).toBe("s3cret");
  });

  test.each(GENERATIONS)(
    "$version asks the service about a cut-off ciphertext; coffer does not",
    async (g) => {
      const sdk = g.connect(side.service.port);
      const written = await sdk.encrypt("s3cret", CONTEXT);
      const cut = written.slice(0, 120);
      const before = side.service.requests.length;
      await rejectionOf(() => sdk.decrypt(cut));
      expect(side.service.requests.slice(before)).toMatchObject([{ path: "/vault/v1/keys/decrypt" }]);
      // The embedded vault is asked by a call, not by HTTP: a face over a service that must not be asked shows it.
      const silent = { id: "silent", createDataKey: never, createDecrypt: never, createRekey: never };
      using face = new Vault({ keys: silent, kv: {} as KvService });
      expect(await rejectionOf(() => face.decrypt(cut))).toMatchObject({ code: "ERR_ENVELOPE_MALFORMED" });
    },
  );

  test("an unknown API key is refused by the stub, so that the answers above mean something", async () => {
    const sdk = new WorkOs11("sk_wrong", at(side.service.port)).vault;
    await expect(sdk.encrypt("s3cret", CONTEXT)).rejects.toMatchObject({ status: 401 });
  });
});

/** An envelope as 7.42 to 7.50.0 wrote it, with a nonce of the byte 7. */
function sealIv32(text: string, dataKey: string, encryptedKeys: string): string {
  const nonce = new Uint8Array(32).fill(7);
  const cipher = createCipheriv("aes-256-gcm", Buffer.from(dataKey, "base64"), nonce);
  const ciphertext = Buffer.concat([cipher.update(text, "utf8"), cipher.final()]);
  const keyBlob = fromBase64(encryptedKeys);
  return serializeEnvelope({ layout: "iv32", keyBlob, nonce, ciphertext, tag: cipher.getAuthTag() });
}

function never(): never {
  throw new Error("the service was asked");
}
