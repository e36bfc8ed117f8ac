/** The error class that all rooms share: codes, retry advice, what it serialises, and recognition across copies. */
import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import {
  decryptFailed,
  invalidRange,
  invalidType,
  isVaultError,
  VAULT_ERROR_CODES,
  VaultError,
} from "../src/errors.ts";

describe("VaultError", () => {
  test("has its code and message, and advises against a retry unless its code is known to be worth one", () => {
    const error = new VaultError("ERR_NOT_CIPHERTEXT", "no");
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({
      name: "VaultError",
      code: "ERR_NOT_CIPHERTEXT",
      message: "no",
      retryable: false,
    });
    expect(new VaultError("ERR_STORAGE_BUSY", "busy").retryable).toBe(true);
    expect(new VaultError("ERR_STORAGE_BUSY", "busy", { retryable: false }).retryable).toBe(false);
    expect(new VaultError("ERR_NOT_CIPHERTEXT", "no", { retryable: true }).retryable).toBe(true);
  });

  test("has request id, status and cause only where they were given", () => {
    const bare = new VaultError("ERR_NOT_CIPHERTEXT", "no");
    for (const name of ["requestId", "status", "cause"]) expect(name in bare, name).toBe(false);
    const cause = new Error("canary");
    const full = new VaultError("ERR_SERVICE_BAD_RESPONSE", "bad", {
      requestId: "req_1",
      status: 502,
      cause,
    });
    expect(full).toMatchObject({ requestId: "req_1", status: 502, cause });
  });

  test("serialises without its cause", () => {
    const error = new VaultError("ERR_SERVICE_BAD_RESPONSE", "bad", {
      requestId: "req_1",
      status: 502,
      cause: new Error("canary"),
    });
    expect(JSON.parse(JSON.stringify(error))).toEqual({
      name: "VaultError",
      code: "ERR_SERVICE_BAD_RESPONSE",
      message: "bad",
      retryable: false,
      requestId: "req_1",
      status: 502,
    });
    expect(Object.keys(new VaultError("ERR_NOT_CIPHERTEXT", "no").toJSON())).toEqual([
      "name",
      "code",
      "message",
      "retryable",
    ]);
  });

  test("is recognised, by code too, and across copies of the package", async () => {
    const error = new VaultError("ERR_NOT_CIPHERTEXT", "no");
    expect(isVaultError(error)).toBe(true);
    expect(isVaultError(error, "ERR_NOT_CIPHERTEXT")).toBe(true);
    expect(isVaultError(error, "ERR_DISPOSED")).toBe(false);
    const copy = (await import("../src/errors.ts?copy" as string)) as typeof import("../src/errors.ts");
    expect(copy.VaultError).not.toBe(VaultError);
    expect(isVaultError(new copy.VaultError("ERR_DISPOSED", "gone"), "ERR_DISPOSED")).toBe(true);
    for (const other of [new Error("no"), { code: "ERR_DISPOSED" }, null, undefined, "ERR_DISPOSED", 5]) {
      expect(isVaultError(other)).toBe(false);
    }
    // The mark by which it is recognised does not clutter logs.
    expect(inspect(error)).not.toContain("Symbol");
  });
});

test("wrong arguments are a TypeError or a RangeError with one code", () => {
  expect(invalidType("no")).toBeInstanceOf(TypeError);
  expect(invalidRange("no")).toBeInstanceOf(RangeError);
  for (const error of [invalidType("no"), invalidRange("no")]) {
    expect(error).toMatchObject({ code: "ERR_INVALID_ARGUMENT", message: "no" });
    expect(isVaultError(error)).toBe(false);
  }
});

test("[ENV-32] a failed decryption has one message and no cause", () => {
  expect(decryptFailed()).toMatchObject({ code: "ERR_DECRYPT_FAILED", retryable: false });
  expect(decryptFailed().message).toBe(decryptFailed().message);
  expect(decryptFailed()).not.toHaveProperty("cause");
});

test("codes are unlike each other and look alike", () => {
  expect(new Set(VAULT_ERROR_CODES).size).toBe(VAULT_ERROR_CODES.length);
  for (const code of VAULT_ERROR_CODES) expect(code).toMatch(/^ERR_[A-Z_]+$/);
});
