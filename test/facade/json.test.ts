/** JSON values: encrypted, stored, and read back through a Standard Schema; what does not fit is told without the value. */
import { expect, expectTypeOf, test } from "vitest";
import { z } from "zod";
import type { StandardSchema } from "../../src/index.ts";
import { rejectionOf } from "../support/errors.ts";
import { openTestVault } from "../support/vaults.ts";

const KEY_CONTEXT = { organization_id: "org_1" };
const CANARY = "canary-5f0c";

const CARD = z.object({ card: z.string(), year: z.number() });

/** A schema of one's own, that answers later and changes the value. */
const LATER: StandardSchema<number> = {
  "~standard": {
    version: 1,
    vendor: "test",
    validate: async (value) =>
      typeof value === "string" ? { value: value.length } : { issues: [{ message: `no text: ${value}` }] },
  },
};

test.each([[null], [0], [""], ["\ud800"], [[1, [], {}]], [JSON.parse('{"__proto__":1,"a":"\\u2028"}')]])(
  "%j comes back",
  async (value) => {
    const vault = await openTestVault();
    const text = await vault.encryptJson(value, KEY_CONTEXT, "row");
    expect(await vault.decryptJson(text, "row")).toEqual(value);
    expect(await vault.decrypt(text, "row")).toBe(JSON.stringify(value));
    await vault.putKvJson({ name: "a", value, keyContext: KEY_CONTEXT });
    const stored = await vault.getKvJson({ name: "a" });
    expect(stored.value).toEqual(value);
    expect((await vault.getKvJson({ id: stored.id })).value).toEqual(value);
  },
);

test("a schema gives the value its type, and may change it", async () => {
  const vault = await openTestVault();
  const text = await vault.encryptJson({ card: "4242", year: 30, more: 1 }, KEY_CONTEXT);
  const card = await vault.decryptJson(text, undefined, { schema: CARD });
  expectTypeOf(card).toEqualTypeOf<{ card: string; year: number }>();
  expect(card).toEqual({ card: "4242", year: 30 });
  const length = await vault.decryptJson(await vault.encryptJson("four", KEY_CONTEXT), "", { schema: LATER });
  expect(length).toBe(4);
});

test("what does not fit, or is no JSON, is told without the value", async () => {
  const vault = await openTestVault();
  const text = await vault.encryptJson({ card: 5, [CANARY]: CANARY }, KEY_CONTEXT);
  const plain = await vault.encrypt(CANARY, KEY_CONTEXT);
  await vault.putKv({ name: "plain", value: CANARY, keyContext: KEY_CONTEXT });
  const throwing: StandardSchema = {
    "~standard": {
      version: 1,
      vendor: "test",
      validate: (value) => {
        throw new Error(JSON.stringify(value));
      },
    },
  };
  for (const call of [
    () => vault.decryptJson(text, undefined, { schema: CARD }),
    () => vault.decryptJson(text, undefined, { schema: LATER }),
    () => vault.decryptJson(text, undefined, { schema: throwing }),
    () => vault.decryptJson(plain),
    () => vault.getKvJson({ name: "plain" }),
  ]) {
    const error = await rejectionOf(call);
    expect(error.code).toBe("ERR_JSON_INVALID");
    expect(error.cause).toBeUndefined();
    expect(`${error.stack} ${JSON.stringify(error)}`).not.toContain(CANARY);
  }
});

test("what is no JSON or no schema is refused before any request", async () => {
  const vault = await openTestVault();
  const circle: unknown[] = [];
  circle.push(circle);
  const angry = {
    toJSON() {
      throw new Error(CANARY);
    },
  };
  for (const value of [undefined, () => 1, Symbol("x"), 1n, circle, angry]) {
    const error = await rejectionOf(() => vault.encryptJson(value, KEY_CONTEXT));
    expect(error).toBeInstanceOf(TypeError);
    expect(error.code).toBe("ERR_INVALID_ARGUMENT");
    expect(`${error.stack}`).not.toContain(CANARY);
    expect(await rejectionOf(() => vault.putKvJson({ name: "a", value }))).toBeInstanceOf(TypeError);
  }
  for (const schema of [null, {}, 5, { "~standard": {} }] as never[]) {
    expect(await rejectionOf(() => vault.decryptJson("x", "", { schema }))).toBeInstanceOf(TypeError);
  }
  const as = { as: "bytes" } as never;
  expect(await rejectionOf(() => vault.decryptJson("x", "", as))).toBeInstanceOf(TypeError);
});
