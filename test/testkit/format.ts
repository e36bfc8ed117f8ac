/**
 * The testkit's files: a head of `name: value` lines, an empty line, the payload.
 *
 * Owns reading and writing of that form, which README.md describes for other implementations. Takes nothing from
 * `src`.
 *
 * @module
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

export const VERSION = "1";
export const FILES_DIRECTORY: string = join(import.meta.dirname, "files");

export interface TestkitFile {
  readonly name: string;
  readonly layout: "native" | "iv12" | "iv32" | "leb-first" | "dotnet";
  readonly comment: string;
  /** `ok`, or the error's code. */
  readonly expect: string;
  /** Usually 32 bytes. */
  readonly key: Uint8Array;
  readonly aad: Uint8Array;
  /** Bytes of plaintext that may be released at most: all of it for `ok`. */
  readonly releasedBytes: number;
  /** SHA-256 of these bytes, hexadecimal. */
  readonly releasedSha256: string;
  /** Bytes of a native envelope; the text of any other. */
  readonly payload: Uint8Array;
}

export function encode(file: TestkitFile): Uint8Array {
  const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
  const head = [
    `coffer-testkit: ${VERSION}`,
    `layout: ${file.layout}`,
    `comment: ${file.comment}`,
    `expect: ${file.expect}`,
    `key: ${hex(file.key)}`,
    `aad: ${hex(file.aad)}`,
    `released-bytes: ${file.releasedBytes}`,
    `released-sha256: ${file.releasedSha256}`,
  ];
  return Buffer.concat([Buffer.from(`${head.join("\n")}\n\n`), file.payload]);
}

export function decode(name: string, bytes: Uint8Array): TestkitFile {
  const end = Buffer.from(bytes).indexOf("\n\n");
  const lines = Buffer.from(bytes.subarray(0, end)).toString("utf8").split("\n");
  const fields = new Map(lines.map((line) => line.split(/: ?(.*)/s, 2) as [string, string]));
  const field = (key: string): string => {
    const value = fields.get(key);
    if (value === undefined) throw new Error(`${name}: no ${key}`);
    return value;
  };
  if (field("coffer-testkit") !== VERSION) throw new Error(`${name}: another version of the testkit`);
  const ofHex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "hex"));
  return {
    name,
    layout: field("layout") as TestkitFile["layout"],
    comment: field("comment"),
    expect: field("expect"),
    key: ofHex(field("key")),
    aad: ofHex(field("aad")),
    releasedBytes: Number(field("released-bytes")),
    releasedSha256: field("released-sha256"),
    payload: Uint8Array.from(bytes.subarray(end + 2)),
  };
}

/** All files as they are stored, by name. */
export function readAll(): TestkitFile[] {
  return readdirSync(FILES_DIRECTORY)
    .sort()
    .map((name) => decode(name, readFileSync(join(FILES_DIRECTORY, name))));
}
