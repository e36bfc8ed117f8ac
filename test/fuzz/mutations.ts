/**
 * Small changes of bytes and texts, from a seed.
 *
 * Owns the kinds of changes. Must not know what the bytes mean.
 *
 * @module
 */

/** A number below a bound, the next of a seeded stream. */
export type Pick = (below: number) => number;

const EDGES = [0, 1, 0x7f, 0x80, 0x81, 0xce, 0xfe, 0xff] as const;
const CHARACTERS = 'ABCDwxyz0189+/=-_ \n\r\t\0\u00e9\u2028\ud800\ufeff%"\\{}[],:';
/** Texts that readers of JSON and of base64 have stumbled over. */
const SNIPPETS = [
  "==",
  "AAAA",
  "Q0ZSLkVLTS52MQ",
  "V09TLkVLTS52MQ",
  "\\u0000",
  "\\ud800",
  "__proto__",
  "null",
  "1e999",
  "[[",
  '{"a":1,"a":2}',
  "\ufeff",
  " : ",
] as const;

/** Up to four changes of bytes; `others` give parts of themselves. */
export function mutateBytes(pick: Pick, bytes: Uint8Array, others: readonly Uint8Array[]): Uint8Array {
  let out = Uint8Array.from(bytes);
  for (let left = 1 + pick(4); left > 0; left--) out = mutateOnce(pick, out, others);
  return out;
}

function mutateOnce(pick: Pick, bytes: Uint8Array, others: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const out = Uint8Array.from(bytes);
  const at = pick(out.length + 1);
  const near = pick(Math.min(out.length, 64) + 1);
  switch (pick(8)) {
    case 0:
      if (near < out.length) out[near]! ^= 1 << pick(8);
      return out;
    case 1:
      if (at < out.length) out[at]! ^= 1 << pick(8);
      return out;
    case 2:
      if (near < out.length) out[near] = EDGES[pick(EDGES.length)]!;
      return out;
    case 3:
      return out.slice(0, at);
    case 4:
      return joined(out.subarray(0, at), out.subarray(Math.min(out.length, at + 1 + pick(40))));
    case 5: {
      const extra = Uint8Array.from({ length: 1 + pick(40) }, () => pick(256));
      return joined(out.subarray(0, at), extra, out.subarray(at));
    }
    case 6: {
      const other = others[pick(others.length)]!;
      const from = pick(other.length + 1);
      return joined(out.subarray(0, at), other.subarray(from));
    }
    default: {
      const from = pick(out.length + 1);
      return joined(out.subarray(0, at), out.subarray(from, from + 1 + pick(64)), out.subarray(at));
    }
  }
}

function joined(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** Up to three changes of a text. */
export function mutateText(pick: Pick, text: string): string {
  let out = text;
  for (let left = 1 + pick(3); left > 0; left--) {
    const at = pick(out.length + 1);
    switch (pick(6)) {
      case 0:
        out = out.slice(0, at) + CHARACTERS[pick(CHARACTERS.length)]! + out.slice(at + 1);
        break;
      case 1:
        out = out.slice(0, at) + CHARACTERS[pick(CHARACTERS.length)]! + out.slice(at);
        break;
      case 2:
        out = out.slice(0, at);
        break;
      case 3:
        out = out.slice(0, at) + out.slice(at + 1 + pick(20));
        break;
      case 4:
        out = out.slice(0, at) + SNIPPETS[pick(SNIPPETS.length)]! + out.slice(at);
        break;
      default: {
        const from = pick(out.length + 1);
        out = out.slice(0, at) + out.slice(from, from + 1 + pick(64)) + out.slice(at);
      }
    }
  }
  return out;
}

/** A value of JSON with one part replaced, taken away, or put in the place of another. */
export function mutateJson(pick: Pick, value: unknown): unknown {
  if (typeof value !== "object" || value === null || pick(6) === 0) {
    return VALUES[pick(VALUES.length)]!;
  }
  const entries = Object.entries(value);
  if (entries.length === 0) return { extra: null };
  const at = pick(entries.length);
  const [name, part] = entries[at]!;
  const changed: [string, unknown][] =
    pick(8) === 0 ? [] : pick(8) === 0 ? [[`${name}2`, part]] : [[name, mutateJson(pick, part)]];
  const all = [...entries.slice(0, at), ...changed, ...entries.slice(at + 1)];
  return Array.isArray(value) ? all.map(([, item]) => item) : Object.fromEntries(all);
}

const VALUES: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  1.5,
  1e21,
  "",
  " ",
  "org_1",
  "\u0000",
  "\ud800",
  "x".repeat(501),
  "x".repeat(70_000),
  [],
  {},
  [[]],
  { a: "b" },
  Array(101).fill("x"),
  "2026-01-01T00:00:00Z",
];
