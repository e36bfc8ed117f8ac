/** Data keys in custody: what they show, whom they refuse, and when they are gone. docs/spec/envelope.md section 10. */
import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import type { AeadKey, AeadProvider } from "../../src/crypto/aead/aead.ts";
import { DataKey, keptOn, keyBlobFromText, withAeadKey } from "../../src/crypto/keys/data-key.ts";
import { localDecrypt, localDecryptSync, localEncrypt, localEncryptSync } from "../../src/crypto/local.ts";
import { SecretBytes } from "../../src/crypto/primitives/secret-bytes.ts";
import { base64, utf8Bytes } from "../support/bytes.ts";
import { errorOf, rejectionOf } from "../support/errors.ts";
import { NOBLE, NODE, PROVIDER_NAMES, WEBCRYPTO } from "../support/providers.ts";
import { SAMPLE_1 } from "../support/samples.ts";
import { expectNoTrace } from "../support/secrets.ts";

const RAW_KEY = utf8Bytes("a canary key of thirty-two bytes");

function dataKey(): DataKey {
  return new DataKey({
    id: SAMPLE_1.dataKeyId,
    key: Uint8Array.from(RAW_KEY),
    encryptedKeys: SAMPLE_1.encryptedKeys,
    context: { tenant: "canary-tenant" },
  });
}

test("a data key tells whether another one holds the same key, without a text of either", () => {
  const [key, same] = [dataKey(), dataKey()];
  expect(key.holdsSameKey(same)).toBe(true);
  for (const at of [0, 15, 31]) {
    const other = Uint8Array.from(RAW_KEY);
    other[at]! ^= 1;
    using altered = new DataKey({ id: key.id, key: other, encryptedKeys: key.encryptedKeys });
    expect(key.holdsSameKey(altered)).toBe(false);
  }
  same.dispose();
  expect(errorOf(() => key.holdsSameKey(same)).code).toBe("ERR_DISPOSED");
  key.dispose();
});

describe("SecretBytes", () => {
  test("[ENV-35] does not show what it holds", () => {
    const secret = new SecretBytes(Uint8Array.from(RAW_KEY));
    expectNoTrace(secret, [RAW_KEY]);
    expect(String(secret)).toBe("[secret]");
    expect(`${inspect(secret)} ${JSON.stringify({ secret })}`).toBe('[secret] {"secret":"[secret]"}');
  });

  test("[ENV-35] zeroes the bytes on dispose and refuses afterwards", () => {
    const bytes = Uint8Array.from(RAW_KEY);
    const secret = new SecretBytes(bytes);
    expect(secret.bytes).toBe(bytes);
    expect(secret.isDisposed).toBe(false);
    secret.dispose();
    secret.dispose();
    expect(secret.isDisposed).toBe(true);
    expect(bytes).toEqual(new Uint8Array(32));
    expect(errorOf(() => secret.bytes).code).toBe("ERR_DISPOSED");
  });

  test("[ENV-35] ends with a using block", () => {
    const bytes = Uint8Array.from(RAW_KEY);
    {
      using secret = new SecretBytes(bytes);
      expect(secret.bytes).toEqual(RAW_KEY);
    }
    expect(bytes).toEqual(new Uint8Array(32));
  });
});

describe("DataKey", () => {
  test("[ENV-35] shows its id and its wrapped form, never the key or the context's values", () => {
    const key = dataKey();
    key.aead(NODE);
    key.aead(NOBLE);
    expectNoTrace(key, [RAW_KEY, utf8Bytes("canary-tenant")]);
    expect(inspect(key)).toBe(`DataKey { id: '${SAMPLE_1.dataKeyId}', dataKey: [secret] }`);
    expect(JSON.parse(JSON.stringify(key))).toEqual({
      id: SAMPLE_1.dataKeyId,
      encryptedKeys: SAMPLE_1.encryptedKeys,
    });
    expect(structuredClone(key)).toEqual({
      id: SAMPLE_1.dataKeyId,
      encryptedKeys: SAMPLE_1.encryptedKeys,
    });
  });

  test("[ENV-35] a message key of any provider does not show the key", async () => {
    for (const provider of [NODE, WEBCRYPTO, NOBLE]) {
      const key = provider.importKey(RAW_KEY);
      await key.seal(new Uint8Array(12), new Uint8Array(0), new Uint8Array(0));
      expectNoTrace(key, [RAW_KEY]);
    }
  });

  test("answers the key and the context to who asks for them", () => {
    const key = dataKey();
    expect(key.dataKey).toBe(base64(RAW_KEY));
    expect(key.context).toEqual({ tenant: "canary-tenant" });
    expect(
      new DataKey({ id: "x", key: Uint8Array.from(RAW_KEY), encryptedKeys: "" }).context,
    ).toBeUndefined();
  });

  test.each([0, 16, 31, 33])("[ENV-1] %i bytes are refused", (length) => {
    const error = errorOf(() => new DataKey({ id: "x", key: new Uint8Array(length), encryptedKeys: "" }));
    expect(error).toBeInstanceOf(RangeError);
    expect(error.code).toBe("ERR_INVALID_ARGUMENT");
  });

  test("is read as it lies in memory, whatever code an array brings along", () => {
    class Brings extends Uint8Array {
      override *[Symbol.iterator](): ArrayIterator<number> {
        yield* new Uint8Array(32);
      }
    }
    using key = new DataKey({
      id: "id",
      key: new Brings(RAW_KEY.buffer as ArrayBuffer, 0, 32),
      encryptedKeys: "",
    });
    expect(key.dataKey).toBe(base64(RAW_KEY));
  });

  test("imports its key once for each provider", () => {
    const key = dataKey();
    expect(key.aead(NODE)).toBe(key.aead(NODE));
    expect(key.aead(NODE)).not.toBe(key.aead(NOBLE));
  });

  test.each(PROVIDER_NAMES)("[ENV-35] is gone after dispose, for %s too", async (provider) => {
    const raw = Uint8Array.from(RAW_KEY);
    const key = new DataKey({ id: "x", key: raw, encryptedKeys: SAMPLE_1.encryptedKeys });
    const text = await localEncrypt("message", key, undefined, { provider });
    expect(await localDecrypt(text, key, undefined, { provider })).toBe("message");
    expect(key.isDisposed).toBe(false);
    key.dispose();
    key.dispose();
    expect(key.isDisposed).toBe(true);
    // The bytes that were given are the caller's ([ENV-37]).
    expect(raw).toEqual(Uint8Array.from(RAW_KEY));
    expect(errorOf(() => key.dataKey).code).toBe("ERR_DISPOSED");
    expect((await rejectionOf(() => localEncrypt("message", key, "", { provider }))).code).toBe(
      "ERR_DISPOSED",
    );
    expect((await rejectionOf(() => localDecrypt(text, key, "", { provider }))).code).toBe("ERR_DISPOSED");
  });

  test("[ENV-35] is gone after dispose for synchronous calls, and a held message key with it", () => {
    const key = dataKey();
    const text = localEncryptSync("message", key);
    const held = key.aead(NODE);
    {
      using _ = key;
      expect(localDecryptSync(text, key)).toBe("message");
    }
    expect(errorOf(() => localEncryptSync("message", key)).code).toBe("ERR_DISPOSED");
    expect(errorOf(() => localDecryptSync(text, key)).code).toBe("ERR_DISPOSED");
    expect(errorOf(() => held.seal(new Uint8Array(12), RAW_KEY, RAW_KEY)).code).toBe("ERR_DISPOSED");
  });
});

describe("withAeadKey", () => {
  /** A provider that records what it is given and makes keys that record their disposal. */
  function recordingProvider(fails = false) {
    const seen: { raw?: Uint8Array; atImport?: Uint8Array; disposed: number } = { disposed: 0 };
    const key = { dispose: () => seen.disposed++ } as unknown as AeadKey;
    const provider: AeadProvider = {
      name: "node",
      isSync: false,
      importKey: (raw) => {
        seen.raw = raw;
        seen.atImport = Uint8Array.from(raw);
        if (fails) throw new RangeError("refused");
        return key;
      },
    };
    return { seen, key, provider };
  }

  test("[ENV-35] a key given as bytes is neither changed nor zeroed", () => {
    const raw = Uint8Array.from(RAW_KEY);
    const { seen, key, provider } = recordingProvider();
    expect(withAeadKey({ dataKey: raw }, provider, (given) => given === key)).toBe(true);
    expect(seen).toEqual({ raw, atImport: RAW_KEY, disposed: 1 });
    expect(seen.raw?.buffer).toBe(raw.buffer);
    expect(raw).toEqual(RAW_KEY);
  });

  test("[ENV-35] the bytes of a key given as text are zeroed once the provider has it", () => {
    const { seen, provider } = recordingProvider();
    withAeadKey({ dataKey: base64(RAW_KEY) }, provider, () => {
      expect(seen.raw).toEqual(new Uint8Array(32));
    });
    expect(seen.atImport).toEqual(RAW_KEY);
    expect(seen.disposed).toBe(1);
  });

  test("[ENV-35] they are zeroed too where the provider refuses the key", () => {
    const { seen, provider } = recordingProvider(true);
    expect(errorOf(() => withAeadKey({ dataKey: base64(RAW_KEY) }, provider, () => 0)).message).toBe(
      "refused",
    );
    expect(seen.raw).toEqual(new Uint8Array(32));
  });

  test("the message key is let go of where its use fails", () => {
    const { seen, provider } = recordingProvider();
    const failing = () => {
      throw new Error("failed");
    };
    expect(errorOf(() => withAeadKey({ dataKey: RAW_KEY }, provider, failing)).message).toBe("failed");
    expect(seen.disposed).toBe(1);
  });

  test.each([
    [{ dataKey: 5 }, TypeError],
    [{ dataKey: null }, TypeError],
    [{ dataKey: [1, 2] }, TypeError],
    [{}, TypeError],
    [null, TypeError],
    [undefined, TypeError],
    ["text", TypeError],
    [{ dataKey: "not base64!" }, RangeError],
    [{ dataKey: ` ${base64(RAW_KEY)}` }, RangeError],
    [{ dataKey: base64(RAW_KEY.subarray(1)) }, RangeError],
    [{ dataKey: base64(new Uint8Array(33)) }, RangeError],
    [{ dataKey: "" }, RangeError],
    [{ dataKey: new Uint8Array(31) }, RangeError],
    [{ dataKey: new Uint8Array(33) }, RangeError],
  ])("[ENV-1] %j is refused", (input, type) => {
    const error = errorOf(() => withAeadKey(input as never, NODE, () => 0));
    expect(error).toBeInstanceOf(type);
    expect(error.code).toBe("ERR_INVALID_ARGUMENT");
    expect(error.message).not.toContain(base64(RAW_KEY.subarray(1)));
  });
});

describe("keyBlobFromText", () => {
  const blob = (length: number) => {
    const bytes = new Uint8Array(length);
    bytes.set(utf8Bytes("CFR.EKM.v1\0"));
    return base64(bytes);
  };

  test.each([11, 152, 65_534, 65_535, 65_536])("[ENV-17] %i bytes are read", (length) => {
    expect(keyBlobFromText(blob(length))).toHaveLength(length);
  });

  test.each([65_537, 65_538, 65_539, 100_000])("[ENV-17] %i bytes are refused", (length) => {
    expect(errorOf(() => keyBlobFromText(blob(length))).code).toBe("ERR_KEY_BLOB_MALFORMED");
  });

  test.each([
    "",
    "AAAA",
    "not base64",
    ` ${SAMPLE_1.encryptedKeys}`,
    "V09TLkVLTS52MQ==",
    base64(utf8Bytes("XOS.EKM.v1\0")),
  ])("[ENV-12] %j is refused", (text) => {
    expect(errorOf(() => keyBlobFromText(text)).code).toBe("ERR_KEY_BLOB_MALFORMED");
  });

  test.each([[undefined], [null], [5], [utf8Bytes("CFR.EKM.v1\0")], [{}]])(
    "[ENV-12] %j is no text",
    (wrong) => {
      const error = errorOf(() => keyBlobFromText(wrong as never));
      expect(error).toBeInstanceOf(TypeError);
      expect(error.code).toBe("ERR_INVALID_ARGUMENT");
    },
  );
});

test("what is made of a key is made once, and gone with the key", () => {
  const key = new DataKey({ id: "x", key: new Uint8Array(32), encryptedKeys: "" });
  const [one, other] = [{}, {}];
  let made = 0;
  const make = () => ({ n: ++made });
  expect(keptOn(key, one, make)).toBe(keptOn(key, one, make));
  expect(keptOn(key, other, make)).toEqual({ n: 2 });
  key.dispose();
  expect(keptOn(key, other, make)).toEqual({ n: 3 });
});
