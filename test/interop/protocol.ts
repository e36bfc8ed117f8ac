/**
 * What the runner and the drivers say to each other, in lines with tabs, so that a driver needs no JSON.
 *
 * Owns the names of the checks, the texts that are exchanged, and the reading of what a driver prints. Must not know
 * SDKs. A driver gets COFFER_INTEROP_URL and COFFER_INTEROP_KEY by its environment and, on standard input, one line
 * per ciphertext of coffer's that it must open: ciphertext, text, associated data. It prints
 *
 *     ok     NAME                          a check that held
 *     fail   NAME   WHY
 *     none   NAME   WHY                    the SDK has no such call
 *     wrote  CIPHERTEXT  TEXT  ASSOCIATED  a ciphertext of the SDK's that coffer must open
 *
 * and exits with 0 if it came to its end.
 *
 * @module
 */

/** Every driver reports each of these once, as `ok`, `fail` or `none`. */
export const CHECKS = [
  "create",
  "read",
  "read by name",
  "describe",
  "name taken",
  "update",
  "version conflict",
  "versions",
  "list by cursor",
  "list all",
  "delete",
  "name free again",
  "data key",
  "rekey",
  "key that is none",
  "context that may not be",
  "API key that is unknown",
  "encrypt and decrypt",
  "wrong associated data",
  "open what coffer wrote",
] as const;

/** Objects that "list by cursor" and "list all" make: more than a page of 10. */
export const LISTED = 13;

/** Neither tabs nor line ends: fields are separated by them. */
const TEXTS = ["", "s3cret", "Grüße, 日本語, \u{1f511}, e\u{301}", "0123456789".repeat(1_000)];
const ASSOCIATED = ["", "user:42", "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467} ä"];

/** A message, and what was authenticated with it. */
export interface Message {
  readonly text: string;
  readonly associatedData: string;
}

export interface Exchanged extends Message {
  readonly ciphertext: string;
}

/** What both sides encrypt. Every driver makes the same by itself. */
export const MESSAGES: readonly Message[] = TEXTS.flatMap((text) =>
  ASSOCIATED.map((associatedData) => ({ text, associatedData })),
);

/** What came of one check. */
export interface Outcome {
  readonly name: string;
  readonly state: "ok" | "fail" | "none";
  /** Why, unless it held. */
  readonly why: string;
}

export interface Report {
  readonly outcomes: readonly Outcome[];
  readonly written: readonly Exchanged[];
}

export function formatExchanged({ ciphertext, text, associatedData }: Exchanged): string {
  return `${ciphertext}\t${text}\t${associatedData}\n`;
}

export function parseExchanged(line: string): Exchanged {
  const [ciphertext = "", text = "", associatedData = ""] = line.split("\t");
  return { ciphertext, text, associatedData };
}

/** Reads what a driver printed. Lines that are none of the protocol's are left to people. */
export function parseReport(output: string): Report {
  const outcomes: Outcome[] = [];
  const written: Exchanged[] = [];
  for (const line of output.split(/\r?\n/)) {
    const [kind, ...fields] = line.split("\t");
    if (kind === "wrote") written.push(parseExchanged(fields.join("\t")));
    else if (kind === "ok" || kind === "fail" || kind === "none") {
      outcomes.push({ name: fields[0] ?? "", state: kind, why: fields.slice(1).join(" ") });
    }
  }
  return { outcomes, written };
}
