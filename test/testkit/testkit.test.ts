/** Every file of the testkit, in every way that coffer can read it; and that the files are what the script makes. */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { isCiphertext } from "../../src/crypto/envelope/inspect.ts";
import { localDecrypt, localDecryptSync } from "../../src/crypto/local.ts";
import { nativeDecrypt, nativeDecryptSync } from "../../src/crypto/native/one-shot.ts";
import { openNativeSource } from "../../src/crypto/native/range.ts";
import { decryptStream } from "../../src/crypto/native/stream.ts";
import { SYNC_PROVIDER_NAMES } from "../support/providers.ts";
import { cutAt, pump } from "../support/streams.ts";
import { reportChecked } from "../support/vectors.ts";
import { encode, FILES_DIRECTORY, readAll, type TestkitFile } from "./format.ts";
import { makeAll } from "./make.ts";

const FILES = readAll();
const NATIVE = FILES.filter((file) => file.layout === "native");

/** Told before a key is used. */
const BEFORE_KEYS = new Set(["ERR_NOT_CIPHERTEXT", "ERR_ENVELOPE_UNSUPPORTED", "ERR_ENVELOPE_MALFORMED"]);

const keyOf = (file: TestkitFile): { dataKey: Uint8Array } => ({ dataKey: file.key });

const textOf = (file: TestkitFile): string =>
  Buffer.from(file.payload).toString(file.layout === "native" ? "base64" : "utf8");

function expectWhole(file: TestkitFile, plaintext: Uint8Array): void {
  expect(plaintext.length, file.name).toBe(file.releasedBytes);
  expect(createHash("sha256").update(plaintext).digest("hex"), file.name).toBe(file.releasedSha256);
}

/** What a call answers or the code that it throws. */
async function outcome(call: () => unknown): Promise<Uint8Array | string> {
  try {
    return (await call()) as Uint8Array;
  } catch (error) {
    return (error as { code: string }).code;
  }
}

async function expectAtOnce(file: TestkitFile, call: () => unknown): Promise<void> {
  const got = await outcome(call);
  if (file.expect === "ok") {
    expect(got, file.name).toBeInstanceOf(Uint8Array);
    expectWhole(file, got as Uint8Array);
  } else {
    expect(got, `${file.name}: ${file.comment}`).toBe(file.expect);
  }
}

/** The longest start of the plaintext that may be released, found by the most patient reader. */
const longest = new Map<string, Uint8Array>();

describe("the files", () => {
  test("are what the script makes, byte for byte", () => {
    const made = makeAll();
    expect(made.map((file) => file.name).sort()).toEqual(readdirSync(FILES_DIRECTORY).sort());
    for (const file of made) {
      const stored = readFileSync(join(FILES_DIRECTORY, file.name));
      expect(Buffer.compare(stored, encode(file)), file.name).toBe(0);
    }
  });

  test("are at least 250, of all five layouts, most of them wrong", () => {
    expect(FILES.length).toBeGreaterThanOrEqual(250);
    expect(new Set(FILES.map((file) => file.layout)).size).toBe(5);
    expect(FILES.filter((file) => file.expect !== "ok").length).toBeGreaterThanOrEqual(250);
    expect(readFileSync(join(import.meta.dirname, "README.md"), "utf8")).toContain(
      `\n${FILES.length} files `,
    );
  });
});

describe("at once", () => {
  test.each(SYNC_PROVIDER_NAMES)("as text (%s)", async (provider) => {
    for (const file of FILES) {
      const options = { as: "bytes", provider } as const;
      await expectAtOnce(file, () => localDecryptSync(textOf(file), keyOf(file), file.aad, options));
      expect(isCiphertext(textOf(file)), file.name).toBe(!BEFORE_KEYS.has(file.expect));
    }
    reportChecked(FILES.length, `files of the testkit by ${provider}`);
  });

  test("as text, later", async () => {
    for (const file of FILES) {
      await expectAtOnce(file, () =>
        localDecrypt(textOf(file), keyOf(file), file.aad, { as: "bytes", provider: "webcrypto" }),
      );
    }
  });

  test("as bytes", async () => {
    for (const file of NATIVE) {
      await expectAtOnce(file, () => nativeDecryptSync(file.payload, keyOf(file), file.aad));
      await expectAtOnce(file, () =>
        nativeDecrypt(file.payload, keyOf(file), file.aad, { provider: "webcrypto" }),
      );
    }
    reportChecked(NATIVE.length, "native files of the testkit as bytes");
  });

  test("nothing of a WorkOS layout is read as native", async () => {
    for (const file of FILES.filter(({ layout }) => layout !== "native")) {
      const bytes = Buffer.from(textOf(file), "base64");
      expect(await outcome(() => nativeDecryptSync(bytes, keyOf(file), file.aad)), file.name).toBe(
        "ERR_NOT_CIPHERTEXT",
      );
    }
  });

  test("what is told before keys are used is told without a key", async () => {
    const untouched = {
      get dataKey(): never {
        throw new Error("the key was asked for");
      },
    };
    for (const file of FILES.filter(({ expect: code }) => BEFORE_KEYS.has(code))) {
      expect(await outcome(() => localDecryptSync(textOf(file), untouched, file.aad)), file.name).toBe(
        file.expect,
      );
    }
  });
});

describe("[NAT-13] [NAT-14] streamed", () => {
  test.each([1, 1_000, 2 ** 20])("in pieces of %i bytes", { timeout: 120_000 }, async (step) => {
    for (const file of NATIVE) {
      const { bytes, error } = await pump(cutAt(file.payload, step), decryptStream(keyOf(file), file.aad));
      expect((error as { code?: string } | undefined)?.code ?? "ok", `${file.name}: ${file.comment}`).toBe(
        file.expect,
      );
      // Byte by byte, exactly what may be released is; larger pieces may hold back what came with what failed.
      if (step === 1) {
        expectWhole(file, bytes);
        longest.set(file.name, bytes);
      }
      expect(bytes.length, file.name).toBeLessThanOrEqual(file.releasedBytes);
      if (file.expect === "ok") expectWhole(file, bytes);
    }
  });

  test("what larger pieces release is a beginning of it", async () => {
    for (const file of NATIVE) {
      const { bytes } = await pump(cutAt(file.payload, 40_000), decryptStream(keyOf(file), file.aad));
      const most = longest.get(file.name);
      if (most !== undefined)
        expect(Buffer.compare(bytes, most.subarray(0, bytes.length)), file.name).toBe(0);
    }
  });
});

describe("[NAT-17] by range", () => {
  test("the whole, read through a range", async () => {
    for (const file of NATIVE) {
      await expectAtOnce(file, async () => {
        using reader = await openNativeSource(file.payload, keyOf(file), file.aad);
        return await reader.read();
      });
    }
  });

  test("byte by byte at the beginning and the end", async () => {
    for (const file of NATIVE.filter(
      ({ expect: code, releasedBytes }) => code === "ok" && releasedBytes > 0,
    )) {
      using reader = await openNativeSource(new Blob([file.payload as never]), keyOf(file), file.aad);
      const whole = await reader.read();
      for (const at of [0, reader.size - 1]) {
        expect(await reader.read(at, at + 1), file.name).toEqual(whole.subarray(at, at + 1));
      }
    }
  });
});
