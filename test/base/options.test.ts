/** Options: unknown names are refused, with the one that was probably meant. */
import { describe, expect, test } from "vitest";
import { checkOptions, optionNames } from "../../src/base/options.ts";
import { errorOf } from "../support/errors.ts";

const KNOWN = optionNames<{ baseUrl?: string; apiKey?: string }>(
  { baseUrl: true, apiKey: true },
  optionNames<{ as?: string }>({ as: true }),
);

describe("checkOptions", () => {
  test("takes what is known, and nothing at all", () => {
    checkOptions(undefined, KNOWN, "Vault");
    checkOptions({}, KNOWN, "Vault");
    checkOptions({ baseUrl: undefined, as: "bytes" }, KNOWN, "Vault");
  });

  test.each([
    [{ baseURL: "x" }, 'Vault: unknown option "baseURL"; did you mean baseUrl?'],
    [{ base_url: "x" }, 'Vault: unknown option "base_url"; did you mean baseUrl?'],
    [{ apiKye: "x" }, 'Vault: unknown option "apiKye"; did you mean apiKey?'],
    [{ url: "x" }, 'Vault: unknown option "url"; known are apiKey, as, baseUrl'],
    [{ az: "x" }, 'Vault: unknown option "az"; known are apiKey, as, baseUrl'],
    [Object.create({ baseURL: "x" }), 'Vault: unknown option "baseURL"; did you mean baseUrl?'],
    [{ "\u202e\n": 1 }, 'Vault: unknown option "??"; known are apiKey, as, baseUrl'],
    [null, "Vault: options must be an object, got null"],
    ["text", "Vault: options must be an object, got string"],
    [["as"], "Vault: options must be an object, got "],
  ])("%j is refused", (options, message) => {
    const error = errorOf(() => checkOptions(options, KNOWN, "Vault"));
    expect(error).toBeInstanceOf(TypeError);
    expect(error).toMatchObject({ code: "ERR_INVALID_ARGUMENT", message: expect.stringContaining(message) });
  });

  test("a long name is cut in the message", () => {
    expect(errorOf(() => checkOptions({ ["k".repeat(500)]: 1 }, KNOWN, "Vault")).message.length).toBeLessThan(
      120,
    );
  });
});
