/** The inspector's map of an envelope's bytes: whole, without gaps, and where the specification says. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { makeInspector } from "../../examples/inspector/build.ts";
import { fieldsOf } from "../../examples/inspector/fields.ts";
import { inspect, localEncrypt } from "../../src/crypto/index.ts";
import { fromBase64 } from "../support/bytes.ts";
import { SAMPLE_1 } from "../support/samples.ts";

const LAYOUTS = ["iv12", "leb-first", "dotnet", "native"] as const;

describe("fields", () => {
  test.each(LAYOUTS)("of %s cover every byte once", async (layout) => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 40_000 }), async (size) => {
        const text = await localEncrypt(new Uint8Array(size), SAMPLE_1, undefined, { layout });
        const bytes = fromBase64(text);
        const fields = fieldsOf(bytes, inspect(text));
        expect(fields[0]!.start).toBe(0);
        for (const [i, field] of fields.slice(1).entries()) expect(field.start).toBe(fields[i]!.end);
        expect(fields.at(-1)!.end).toBe(bytes.length);
      }),
      { numRuns: 20 },
    );
  });

  test.each(LAYOUTS)("of %s: the key blob is where it is shown", async (layout) => {
    const text = await localEncrypt("text", SAMPLE_1, undefined, { layout });
    const blob = fieldsOf(fromBase64(text), inspect(text)).find(({ name }) => name === "key blob")!;
    const shown = fromBase64(text).subarray(blob.start, blob.end);
    const expected =
      layout === "dotnet"
        ? new TextEncoder().encode(SAMPLE_1.encryptedKeys)
        : fromBase64(SAMPLE_1.encryptedKeys);
    expect(shown).toEqual(expected);
  });
});

test("the page is one file that allows its own script and style only", async () => {
  const page = await makeInspector();
  expect(page).toContain("default-src 'none'");
  expect(page).not.toMatch(/<(?:script|link|img)[^>]+(?:src|href)=/);
  expect(page).not.toContain("<!-- ");
});
