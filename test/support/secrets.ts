/**
 * Looks for secrets wherever a value can end up in a log: printed, as text, as JSON, cloned, property by property.
 *
 * Owns the list of ways to look. A test gives the canaries, which must be long and unlike anything else.
 *
 * @module
 */
import { inspect } from "node:util";
import { expect } from "vitest";

/**
 * Fails if any way of showing `value` shows one of the secrets in any usual notation.
 *
 * @param secrets - raw bytes, of text too
 */
export function expectNoTrace(value: unknown, secrets: readonly Uint8Array[]): void {
  for (const [how, shown] of renderings(value)) {
    for (const secret of secrets) {
      for (const [notation, text] of notations(secret)) {
        // Not toContain: its message would print both.
        expect(shown.toLowerCase().includes(text.toLowerCase()), `${how} shows a secret as ${notation}`).toBe(
          false,
        );
      }
    }
  }
}

function renderings(value: unknown): [how: string, shown: string][] {
  const all = {
    showHidden: true,
    depth: 10,
    getters: false,
    maxArrayLength: null,
    maxStringLength: null,
  } as const;
  const out: [string, string][] = [
    ["inspect", inspect(value)],
    ["inspect with hidden properties", inspect(value, all)],
    ["inspect without custom printing", inspect(value, { ...all, customInspect: false })],
    ["inspect inside an object", inspect({ value, list: [value] }, all)],
    ["String", String(value)],
    ["JSON", JSON.stringify({ value }) ?? ""],
  ];
  if (value instanceof Error) out.push(["message and stack", `${value.message}\n${value.stack}`]);
  try {
    out.push(["structuredClone", inspect(structuredClone(value), { ...all, customInspect: false })]);
  } catch {
    // What cannot be cloned shows nothing.
  }
  return out;
}

function notations(secret: Uint8Array): [notation: string, text: string][] {
  const bytes = Buffer.from(secret);
  const out: [string, string][] = [
    ["hex", bytes.toString("hex")],
    ["spaced hex", bytes.toString("hex").replace(/..(?!$)/g, "$& ")],
    ["base64", bytes.toString("base64").replace(/=+$/, "")],
    ["a list of numbers", [...bytes].join(", ")],
    ["a JSON list", [...bytes].join(",")],
  ];
  if (Buffer.from(bytes.toString("utf8"), "utf8").equals(bytes)) out.push(["text", bytes.toString("utf8")]);
  return out;
}
