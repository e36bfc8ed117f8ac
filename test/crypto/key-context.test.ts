/** Key contexts: docs/spec/key-context.md, rule by rule. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type CanonicalContext,
  CheckedContexts,
  canonicalContext,
  canonicalEntries,
  checkedContext,
  contextObject,
  identifyContext,
  type KeyContext,
  parseCanonicalContext,
  parseKeyContext,
} from "../../src/crypto/keys/key-context.ts";
import { isVaultError } from "../../src/errors.ts";
import { keyContext } from "../support/arbitraries.ts";
import { hex, toHexText, utf8Bytes } from "../support/bytes.ts";
import { errorOf } from "../support/errors.ts";
import { expectNoTrace } from "../support/secrets.ts";
import { describeVectors, REPOSITORY_ROOT, reportChecked } from "../support/vectors.ts";

const EXAMPLE = { organization_id: "org_1", env: "prod" };
const EXAMPLE_HEX =
  "6374783100000002" +
  "00000003656e76" +
  "0000000470726f64" +
  "0000000f6f7267616e697a6174696f6e5f6964" +
  "000000056f72675f31";

/** [CTX-16] Every refusal has this one code. */
function expectRefused(call: () => unknown): Error {
  const error = errorOf(call);
  expect(error).toMatchObject({ name: "VaultError", code: "ERR_KEY_CONTEXT_INVALID" });
  return error;
}

const bytesOf = (context: unknown): string => toHexText(canonicalContext(context as KeyContext).bytes);
const namesOf = (canonical: CanonicalContext): string[] => canonical.entries.map((entry) => entry.name);

/** A canonical form made by hand, right or wrong. */
function form(entries: [name: string, value: string][], magic = "ctx1", count = entries.length): Uint8Array {
  const field = (text: string) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(Buffer.byteLength(text));
    return [length, Buffer.from(text)];
  };
  const head = Buffer.alloc(4);
  head.writeUInt32BE(count);
  return Uint8Array.from(Buffer.concat([Buffer.from(magic), head, ...entries.flat().flatMap(field)]));
}

describe("the identity of a context", () => {
  const shuffled = (context: KeyContext): KeyContext =>
    Object.fromEntries(Object.entries(context).sort(() => Math.random() - 0.5));

  test("is shared by contexts exactly if they are equal", () => {
    fc.assert(
      fc.property(keyContext, keyContext, (a, b) => {
        expect(identifyContext(shuffled(a)).id).toBe(identifyContext(a).id);
        expect(identifyContext(a).id === identifyContext(b).id).toBe(bytesOf(a) === bytesOf(b));
        expect(bytesOf(identifyContext(a).context)).toBe(bytesOf(a));
      }),
    );
    const alike: KeyContext[] = [{ a: "1:b1:c" }, { a: "1", b: "c" }, { "a1:": "1:bc" }, { a1: "1:b1:c" }];
    expect(new Set(alike.map((context) => identifyContext(context).id)).size).toBe(alike.length);
  });

  test("keeps a name that would be lost by copying, so that it can be refused", () => {
    const { id, context } = identifyContext(JSON.parse('{"__proto__":"x","a":"b"}'));
    expect(id).not.toBe(identifyContext({ a: "b" }).id);
    expectRefused(() => canonicalContext(context));
  });

  test.each([
    [null],
    [undefined],
    ["a"],
    [["a"]],
    [{ a: 1 }],
    [{ a: null }],
    [{ a: "b", [Symbol("c")]: "d" }],
  ])("[CTX-16] %j has none", (context) => {
    expectRefused(() => identifyContext(context as never));
  });

  test("shows one face of a getter", () => {
    let reads = 0;
    const { id, context } = identifyContext({
      get a() {
        reads += 1;
        return `${reads}`;
      },
    });
    expect([id, context]).toEqual([identifyContext({ a: "1" }).id, { a: "1" }]);
    expect(reads).toBe(1);
  });
});

describe("what a context is", () => {
  class Holder {
    tenant = "a";
  }
  test("objects with string properties, of any prototype", () => {
    const expected = bytesOf({ tenant: "a" });
    expect(bytesOf(Object.assign(Object.create(null), { tenant: "a" }))).toBe(expected);
    expect(bytesOf(new Holder())).toBe(expected);
  });

  test.each([
    [undefined],
    [null],
    ["a"],
    [5],
    [true],
    [[]],
    [["a"]],
    [[["a", "b"]]],
    [() => 0],
    [Symbol("a")],
  ])("[CTX-1] %s is refused", (wrong) => {
    expectRefused(() => canonicalContext(wrong as never));
  });

  test("[CTX-1] maps and dates have no properties of their own and are refused", () => {
    expectRefused(() => canonicalContext(new Map([["a", "b"]]) as never));
    expectRefused(() => canonicalContext(new Date() as never));
  });

  test("[CTX-1] symbol keys are refused, inherited and hidden properties do not count", () => {
    expectRefused(() => canonicalContext({ a: "b", [Symbol("c")]: "d" } as never));
    const heir = Object.create({ inherited: "x" }, { hidden: { value: "y", enumerable: false } });
    heir.tenant = "a";
    expect(bytesOf(heir)).toBe(bytesOf({ tenant: "a" }));
    expectRefused(() => canonicalContext(Object.create({ inherited: "x" })));
  });

  test.each([[1], [null], [undefined], [true], [["a"]], [{ a: "b" }], [new String("a")], [10n]])(
    "[CTX-2] the value %s is refused",
    (value) => {
      expectRefused(() => canonicalContext({ tenant: value } as never));
      expectRefused(() => canonicalEntries([{ name: "tenant", value: value as never }]));
      expectRefused(() => canonicalEntries([{ name: value as never, value: "a" }]));
    },
  );

  test("[CTX-3] each property is read once", () => {
    let reads = 0;
    const twoFaced = {
      get tenant() {
        return `tenant-${++reads}`;
      },
    };
    const { entries, bytes } = canonicalContext(twoFaced);
    expect(reads).toBe(1);
    expect(entries).toEqual([{ name: "tenant", value: "tenant-1" }]);
    expect(toHexText(bytes)).toBe(bytesOf({ tenant: "tenant-1" }));
  });

  test.each([
    [{ tenant: "\u{e9}" }, { tenant: "e\u{301}" }],
    [{ tenant: "K" }, { tenant: "\u{212a}" }],
    [{ tenant: "a" }, { tenant: "A" }],
    [{ tenant: "a" }, { Tenant: "a" }],
    [{ tenant: "a" }, { tenant: " a" }],
    [{ tenant: "a" }, { tenant: "\u{feff}a" }],
    [{ tenant: "a" }, { tenant: "a\0" }],
  ] as [KeyContext, KeyContext][])("[CTX-4] %j and %j stay apart", (a, b) => {
    expect(bytesOf(a)).not.toBe(bytesOf(b));
    expect(parseCanonicalContext(canonicalContext(b).bytes).entries).toEqual(canonicalContext(b).entries);
  });
});

describe("limits", () => {
  const WIDE = "\u{1f600}"; // one character, two UTF-16 units, four bytes
  const entries = (count: number): KeyContext =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`name-${i}`, "x"]));

  test("[CTX-5] 1 to 10 entries", () => {
    expect(canonicalContext(entries(1)).entries).toHaveLength(1);
    expect(canonicalContext(entries(10)).entries).toHaveLength(10);
    expectRefused(() => canonicalContext(entries(0)));
    expectRefused(() => canonicalContext(entries(11)));
  });

  test.each(["x", WIDE])("[CTX-5] names of 1 to 120 characters, of %s", (unit) => {
    expect(namesOf(canonicalContext({ [unit.repeat(120)]: "a" }))).toEqual([unit.repeat(120)]);
    expectRefused(() => canonicalContext({ [unit.repeat(121)]: "a" }));
    expectRefused(() => canonicalContext({ [unit.repeat(1000)]: "a" }));
    expectRefused(() => canonicalContext({ "": "a" }));
  });

  test.each(["x", WIDE])("[CTX-5] values of 1 to 500 characters, of %s", (unit) => {
    expect(canonicalContext({ a: unit.repeat(500) }).entries[0]!.value).toBe(unit.repeat(500));
    expectRefused(() => canonicalContext({ a: unit.repeat(501) }));
    expectRefused(() => canonicalContext({ a: unit.repeat(5000) }));
    expectRefused(() => canonicalContext({ a: "" }));
  });

  test("the largest canonical form has 24,888 bytes", () => {
    const digits = ["\u{10000}", "\u{10001}", "\u{10002}", "\u{10003}", "\u{10004}"];
    const names = digits.flatMap((a) => [a + WIDE, a + digits[0]]).map((name) => name + WIDE.repeat(118));
    const largest = canonicalContext(Object.fromEntries(names.map((name) => [name, WIDE.repeat(500)])));
    expect(largest.bytes).toHaveLength(24_888);
    expect(parseCanonicalContext(largest.bytes)).toEqual(largest);
  });

  test.each(["\ud800", "a\udfff", "\udc00\ud800", "\ud83d!"])(
    "[CTX-6] a lone surrogate is refused",
    (text) => {
      expectRefused(() => canonicalContext({ a: text }));
      expectRefused(() => canonicalContext({ [text]: "a" }));
    },
  );

  test("[CTX-7] the name __proto__ is refused, however it came there", () => {
    expectRefused(() => canonicalContext(JSON.parse('{"__proto__":"x","t":"a"}')));
    expectRefused(() =>
      canonicalContext(Object.defineProperty({}, "__proto__", { value: "x", enumerable: true })),
    );
    expectRefused(() => canonicalEntries([{ name: "__proto__", value: "x" }]));
    expectRefused(() => parseKeyContext('{"__pr\\u006fto__":"x"}'));
    expectRefused(() => parseCanonicalContext(form([["__proto__", "x"]])));
    expect(namesOf(canonicalContext({ constructor: "x", toString: "y" } as never))).toEqual([
      "constructor",
      "toString",
    ]);
  });

  test("[CTX-8] names that begin with coffer: are refused", () => {
    expectRefused(() => canonicalContext({ "coffer:": "x" }));
    expectRefused(() => canonicalContext({ "coffer:system": "x" }));
    expect(namesOf(canonicalContext({ "Coffer:x": "1", coffer: "2", "x-coffer:": "3" }))).toEqual([
      "Coffer:x",
      "coffer",
      "x-coffer:",
    ]);
  });
});

describe("the canonical form", () => {
  test("[CTX-9] is these bytes, and those of the specification's example", () => {
    expect(bytesOf(EXAMPLE)).toBe(EXAMPLE_HEX);
    const page = readFileSync(join(REPOSITORY_ROOT, "docs/spec/key-context.md"), "utf8");
    const block = page.slice(page.indexOf("## 6.")).match(/```\n([\s\S]*?)```/)![1]!;
    expect(block.replace(/"[^"]*"|\d entries/g, "").replace(/\s/g, "")).toBe(EXAMPLE_HEX);
  });

  test("[CTX-10] is sorted by the bytes of UTF-8, not by UTF-16 units, and a prefix comes first", () => {
    const canonical = canonicalContext({
      "\u{10000}": "1",
      "\u{ff61}": "2",
      b: "3",
      aa: "4",
      a: "5",
      "10": "6",
      "9": "7",
    });
    expect(namesOf(canonical)).toEqual(["10", "9", "a", "aa", "b", "\u{ff61}", "\u{10000}"]);
    fc.assert(
      fc.property(keyContext, (context) => {
        const names = namesOf(canonicalContext(context)).map((name) => Buffer.from(name));
        expect(names).toEqual([...names].sort(Buffer.compare));
      }),
    );
  });

  test("[CTX-11] does not depend on the order of entries", () => {
    fc.assert(
      fc.property(
        keyContext.chain((context) =>
          fc.tuple(
            fc.constant(context),
            fc.shuffledSubarray(Object.entries(context), { minLength: Object.keys(context).length }),
          ),
        ),
        ([context, shuffled]) => {
          const canonical = canonicalContext(context);
          expect(canonicalContext(Object.fromEntries(shuffled))).toEqual(canonical);
          expect(canonicalEntries(shuffled.map(([name, value]) => ({ name, value })))).toEqual(canonical);
        },
      ),
    );
  });

  test("[CTX-11] differs between different contexts", () => {
    const sorted = (context: KeyContext) =>
      JSON.stringify(Object.entries(context).sort(([a], [b]) => (a < b ? -1 : 1)));
    fc.assert(
      fc.property(keyContext, keyContext, (a, b) => {
        expect(bytesOf(a) === bytesOf(b)).toBe(sorted(a) === sorted(b));
      }),
      { numRuns: 1000 },
    );
  });

  test("[CTX-11] differs where a careless encoding would not", () => {
    const lookalikes: KeyContext[] = [
      { a: "bc" },
      { ab: "c" },
      { a: "b", c: "d" },
      { a: "b,c:d" },
      { a: "b=c&d" },
      { "a=b&c": "d" },
      { "a\0b": "c" },
      { a: "b\0c" },
      { a: "b\0\0\0\x01cd" },
      { "1": "x" },
      { "01": "x" },
    ];
    expect(new Set(lookalikes.map(bytesOf)).size).toBe(lookalikes.length);
  });

  test("[CTX-12] is read back to the same context", () => {
    fc.assert(
      fc.property(keyContext, (context) => {
        const canonical = canonicalContext(context);
        const read = parseCanonicalContext(canonical.bytes);
        expect(read).toEqual(canonical);
        expect(contextObject(read)).toEqual(context);
      }),
    );
  });

  test.each([
    ["nothing", new Uint8Array(0)],
    ["the magic alone", utf8Bytes("ctx1")],
    ["no entries", form([])],
    ["another magic", form([["a", "b"]], "ctx2")],
    ["a count too small", form([["a", "b"]], "ctx1", 0)],
    ["a count too large", form([["a", "b"]], "ctx1", 2)],
    ["a huge count", form([["a", "b"]], "ctx1", 0xffffffff)],
    [
      "another order",
      form([
        ["b", "1"],
        ["a", "2"],
      ]),
    ],
    [
      "a repeated name",
      form([
        ["a", "1"],
        ["a", "1"],
      ]),
    ],
    ["an empty name", form([["", "1"]])],
    ["an empty value", form([["a", ""]])],
    ["a reserved name", form([["coffer:a", "1"]])],
    ["too many entries", form(Array.from({ length: 11 }, (_, i) => [String.fromCharCode(97 + i), "x"]))],
    ["trailing bytes", Uint8Array.from([...form([["a", "b"]]), 0])],
    ["a trailing length", Uint8Array.from([...form([["a", "b"]]), 0, 0, 0, 0])],
    ["a name without a value", hex("63747831000000010000000161")],
    ["a length past the end", hex("637478310000000100000001610000000562")],
    ["a length of 4 GiB", hex("637478310000000100000001" + "61" + "ffffffff" + "62")],
    ["half a length", hex("63747831000000010000")],
    ["bytes that are not UTF-8", hex("637478310000000100000001ff0000000162")],
    ["a lone surrogate as UTF-8", hex("6374783100000001000000016100000003eda080")],
  ])("[CTX-12] is refused with %s", (_, bytes) => {
    expectRefused(() => parseCanonicalContext(bytes));
  });

  test("[CTX-12] is refused at every shorter length and with any byte changed, or it is another context's", () => {
    const { bytes } = canonicalContext(EXAMPLE);
    for (let length = 0; length < bytes.length; length++) {
      expectRefused(() => parseCanonicalContext(bytes.subarray(0, length)));
    }
    fc.assert(
      fc.property(keyContext, fc.nat(), fc.nat({ max: 255 }), (context, at, to) => {
        const changed = canonicalContext(context).bytes;
        changed[at % changed.length] = to;
        let read: CanonicalContext;
        try {
          read = parseCanonicalContext(changed);
        } catch (error) {
          expect(isVaultError(error, "ERR_KEY_CONTEXT_INVALID")).toBe(true);
          return;
        }
        expect(read.bytes).toEqual(changed);
      }),
      { numRuns: 1000 },
    );
  });

  test("[CTX-12] of any bytes is read exactly or refused", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (rest) => {
        expectRefused(() =>
          parseCanonicalContext(Uint8Array.from([...utf8Bytes("ctx1"), 0, 0, 0, 11, ...rest])),
        );
      }),
    );
  });

  test("a repeated name in a list of entries is refused", () => {
    expectRefused(() =>
      canonicalEntries([
        { name: "a", value: "1" },
        { name: "b", value: "2" },
        { name: "a", value: "1" },
      ]),
    );
  });
});

describe("JSON", () => {
  test("is read to the same context, in any spelling", () => {
    fc.assert(
      fc.property(keyContext, fc.constantFrom(0, 2, "\t"), (context, indent) => {
        const json = JSON.stringify(context, null, indent);
        expect(canonicalContext(parseKeyContext(json))).toEqual(canonicalContext(context));
        const escaped = json.replace(/[a-z]/g, (letter) => `\\u00${letter.charCodeAt(0).toString(16)}`);
        // \n, \t, \" and the like must stay what they are.
        if (!json.includes("\\")) expect(parseKeyContext(escaped)).toEqual(parseKeyContext(json));
      }),
    );
  });

  test.each([
    '{"t":"a","t":"b"}',
    '{"t":"a","t":"a"}',
    '{"t":"a","\\u0074":"b"}',
    '{"\\u0074":"a","t":"b"}',
    '{"t":1,"t":"b"}',
    '{"t":null,"t":"b"}',
    '{"t":{},"t":"b"}',
    '{"t":{"x":"y"},"t":"b"}',
    '{"t":["x"],"t":"b"}',
    '{"t":"\\"","t":"b"}',
    '{"t":"a\\\\","t":"b"}',
    '{"a":"1","t":"a","b":"2","t":"b"}',
  ])("[CTX-13] a repeated name is refused: %s", (json) => {
    expect(Object.keys(JSON.parse(json))).toContain("t");
    expectRefused(() => parseKeyContext(json));
  });

  test.each([
    '{"t":"\\""}',
    '{"t":"\\\\"}',
    '{"t":"{\\"t\\":\\"a\\"}"}',
    '{"a\\"b":"\\\\\\""}',
    ' { "t" : "a" } ',
  ])("[CTX-13] quotes and backslashes in strings are not mistaken for names: %s", (json) => {
    expect(parseKeyContext(json)).toEqual(JSON.parse(json));
  });

  test("[CTX-14] the largest context with every character escaped is read, longer text is refused unread", () => {
    const escaped = (text: string) =>
      text.replace(/[\s\S]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
    const name = (i: number) => String.fromCodePoint(0x10000 + i).repeat(120);
    const value = "\u{1f600}".repeat(500);
    const json = `{${Array.from({ length: 10 }, (_, i) => `"${escaped(name(i))}":"${escaped(value)}"`).join(",")}}`;
    expect(json.length).toBeLessThan(131_072);
    expect(Object.keys(parseKeyContext(json))).toHaveLength(10);
    expect(parseKeyContext(json.padEnd(131_072))).toEqual(JSON.parse(json));
    expectRefused(() => parseKeyContext(json.padEnd(131_073)));
  });

  test("[CTX-15] gives a frozen plain object", () => {
    for (const context of [parseKeyContext('{"t":"a"}'), contextObject(canonicalContext({ t: "a" }))]) {
      expect(context).toStrictEqual({ t: "a" });
      expect(Object.isFrozen(context)).toBe(true);
    }
  });

  test.each([[5], [null], [undefined], [{ t: "a" }], [utf8Bytes('{"t":"a"}')]])("%j is no text", (wrong) => {
    expectRefused(() => parseKeyContext(wrong as never));
  });

  test.each([
    "",
    "{",
    "null",
    '"t"',
    "5",
    "[]",
    '["t","a"]',
    "{}",
    "{'t':'a'}",
    '{"t":"a",}',
    '\u{feff}{"t":"a"}',
  ])("%j is refused", (json) => {
    expectRefused(() => parseKeyContext(json));
  });
});

describe("errors", () => {
  test("[CTX-16] show neither names nor values, but the position", () => {
    const canary = "canary-of-the-context";
    const secrets = [utf8Bytes(canary)];
    const long = canary.repeat(100);
    for (const context of [
      { [canary]: 5 },
      { [canary]: "" },
      { [canary]: long },
      { [canary]: `${canary}\ud800` },
      { [`${canary}\ud800`]: canary },
      { [long]: canary },
      { "": canary },
      { __proto__: null, [`coffer:${canary}`]: canary },
      { [canary]: { nested: canary } },
      { [canary]: canary, [Symbol(canary)]: canary },
      [canary],
      canary,
    ]) {
      expectNoTrace(
        expectRefused(() => canonicalContext(context as never)),
        secrets,
      );
    }
    for (const json of [
      `{"${canary}":"${canary}","${canary}":"x"}`,
      `{"${canary}"`,
      `"${canary}"`,
      `{"a":["${canary}"]}`,
    ]) {
      expectNoTrace(
        expectRefused(() => parseKeyContext(json)),
        secrets,
      );
    }
    for (const bytes of [
      form([[canary, canary]], "ctx9"),
      form([[canary, ""]]),
      form([[canary, canary]], "ctx1", 7),
    ]) {
      expectNoTrace(
        expectRefused(() => parseCanonicalContext(bytes)),
        secrets,
      );
    }
    const third = expectRefused(() => canonicalContext({ a: "1", b: "2", c: "" }));
    expect(third.message).toContain("the value of entry 3");
    const second = expectRefused(() => canonicalContext({ a: "1", "": "2" }));
    expect(second.message).toContain("the name of entry 2");
    expect(expectRefused(() => parseKeyContext("{")).message).toContain("not valid JSON");
  });
});

describeVectors("context edge cases", "derived/context-edge.json", (file) => {
  type Side = { readonly [name: string]: string };
  test("[CTX-10] [CTX-11] every pair is the same or not, every bad one is refused", () => {
    const { tests } = file.json<{
      tests: {
        why: string;
        a?: Side;
        b?: Side;
        a_json?: string;
        b_json?: string;
        same?: boolean;
        reject?: boolean;
        sort_utf8?: string[];
        expected?: string[];
      }[];
    }>();
    /** The canonical form, or undefined where the context is refused. */
    const formOf = (side: Side | undefined, json: string | undefined): string | undefined => {
      try {
        return bytesOf(json === undefined ? side : parseKeyContext(json));
      } catch (error) {
        if (isVaultError(error, "ERR_KEY_CONTEXT_INVALID")) return undefined;
        throw error;
      }
    };
    const refusedAlike: string[] = [];
    for (const { why, a, b, a_json, b_json, same, reject, sort_utf8, expected } of tests) {
      if (sort_utf8 !== undefined) {
        const canonical = canonicalContext(Object.fromEntries(sort_utf8.map((name) => [name, "x"])));
        expect(namesOf(canonical), why).toEqual(expected);
        continue;
      }
      const first = formOf(a, a_json);
      if (reject === true) {
        expect(first, why).toBeUndefined();
        continue;
      }
      const second = formOf(b, b_json);
      if (same === true) {
        expect(first, why).toBeDefined();
        expect(second, why).toBe(first);
      } else {
        expect(first !== undefined && first === second, why).toBe(false);
        if (first === undefined && second === undefined) refusedAlike.push(why);
      }
    }
    // The others are really told apart.
    expect(refusedAlike).toEqual(["empty value vs absent", "empty key"]);
    expect(tests).toHaveLength(21);
    reportChecked(tests.length, "context edge cases");
  });
});

test("a context that was checked is frozen, and neither checked nor copied again", () => {
  const given = { b: "2", a: "1" };
  const checked = checkedContext(given);
  given.a = "3";
  expect(Object.isFrozen(checked)).toBe(true);
  expect(checked).toEqual({ a: "1", b: "2" });
  expect(canonicalContext(checked)).toBe(canonicalContext(checked));
  expect(canonicalContext(checked).bytes).toEqual(canonicalContext({ ...checked }).bytes);
  expect(identifyContext(checked)).toEqual(identifyContext({ ...checked }));
  expect(identifyContext(checked).context).toBe(checked);
});

describe("contexts that were checked lately", () => {
  test("an equal one is the same frozen object, whatever the order; what the caller changes later is another", () => {
    const contexts = new CheckedContexts();
    const given: Record<string, string> = { a: "1", b: "2" };
    const checked = contexts.of(given);
    expect(checked).toEqual({ a: "1", b: "2" });
    expect(Object.isFrozen(checked)).toBe(true);
    expect(contexts.of({ b: "2", a: "1" })).toBe(checked);
    given.a = "3";
    expect(checked).toEqual({ a: "1", b: "2" });
    expect(contexts.of(given)).toEqual({ a: "3", b: "2" });
    // Where names and values meet, nothing runs into each other.
    expect(contexts.of({ ab: "c" })).not.toBe(contexts.of({ a: "bc" }));
  });

  test.each([
    ["an empty name", { "": "x" }],
    ["a value that is none", { a: 1 }],
    ["a symbol", { a: "1", [Symbol("s")]: "x" }],
    ["a reserved name", { "coffer:a": "1" }],
    ["no entry", {}],
    ["nothing", null],
  ])("refuses %s with the words of the check, again and again", (_, wrong) => {
    const contexts = new CheckedContexts();
    const expected = errorOf(() => checkedContext(wrong as unknown as KeyContext)).message;
    for (let i = 0; i < 2; i++) {
      expect(errorOf(() => contexts.of(wrong as unknown as KeyContext)).message).toBe(expected);
    }
  });

  test("keeps a bounded number", () => {
    const contexts = new CheckedContexts();
    const first = contexts.of({ a: "first" });
    for (let i = 0; i < 999; i++) contexts.of({ a: String(i) });
    expect(contexts.of({ a: "first" })).toBe(first);
    contexts.of({ a: "one more" });
    const again = contexts.of({ a: "first" });
    expect(again).not.toBe(first);
    expect(again).toEqual(first);
  });
});
