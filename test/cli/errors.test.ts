/** What `coffer` does with bad input: one exit code, one error, no secret shown, nothing made or changed. */
import { copyFileSync, mkdirSync, readdirSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";
import { PLAINTEXT_BYTES_MAX } from "../../src/crypto/limits.ts";
import { CANARY, type Ran, type RunOptions, workplace } from "../support/cli.ts";
import { SAMPLE_ENVELOPES } from "../support/samples.ts";

const SECRET = `s3cret ${CANARY}`;
const ORG_1 = ["--context", "organization_id=org_1"];

type Case = readonly [args: readonly string[], code: number, error: string, options?: RunOptions];

function expectError(ran: Ran, code: number, error: string, what: string): void {
  expect(ran, what).toMatchObject({ code, out: "" });
  expect(ran.err, what).toMatch(
    new RegExp(`^coffer: error: [^\n]+ \\(${error}\\)\n(coffer: hint: [^\n]+\n)*$`),
  );
}

test("wrong usage and wrong values are refused before a vault is touched", async () => {
  const { directory, run, path } = workplace();
  mkdirSync(path("directory"));
  writeFileSync(path("eleven"), JSON.stringify(Object.fromEntries(Array.from("abcdefghijk", (c) => [c, c]))));
  const eleven = Array.from("abcdefghijk").flatMap((name) => ["--context", `${name}=1`]);
  const cases: readonly Case[] = [
    [["encrypt", SECRET], 1, "ERR_USAGE"],
    [["encrypt", SECRET, ...eleven], 1, "ERR_KEY_CONTEXT_INVALID"],
    [["encrypt", SECRET, "--context-json", "@eleven"], 1, "ERR_KEY_CONTEXT_INVALID"],
    [["encrypt", SECRET, "--context-json", '{"a":"1","a":"2"}'], 1, "ERR_KEY_CONTEXT_INVALID"],
    [["encrypt", SECRET, "--context-json", '{"a":"\\ud800"}'], 1, "ERR_KEY_CONTEXT_INVALID"],
    [["encrypt", SECRET, ...ORG_1, "--context-json", "{}"], 1, "ERR_USAGE"],
    [["encrypt", SECRET, "--context", "a=1", "--context", "a=1"], 1, "ERR_KEY_CONTEXT_INVALID"],
    [["encrypt", SECRET, "--context", `__proto__=${CANARY}`], 1, "ERR_KEY_CONTEXT_INVALID"],
    [["encrypt", SECRET, "--context", `=${CANARY}`], 1, "ERR_KEY_CONTEXT_INVALID"],
    [["encrypt", SECRET, "--context", "a="], 1, "ERR_KEY_CONTEXT_INVALID"],
    [["encrypt", SECRET, "--context", CANARY], 1, "ERR_USAGE"],
    [["encrypt", ...ORG_1], 1, "ERR_USAGE"],
    [["encrypt", "@", ...ORG_1], 1, "ERR_USAGE"],
    [["encrypt", `@${CANARY}`, ...ORG_1], 1, "ERR_INPUT_UNREADABLE"],
    [["encrypt", "@directory", ...ORG_1], 1, "ERR_INPUT_UNREADABLE"],
    [["encrypt", SECRET, "--layout", "iv32", ...ORG_1], 1, "ERR_USAGE"],
    [["encrypt", SECRET, "--aad", "-", ...ORG_1], 1, "ERR_USAGE"],
    [["encrypt", SECRET, "--aad", `@${CANARY}`, ...ORG_1], 1, "ERR_INPUT_UNREADABLE"],
    [["encrypt", SECRET, SECRET, ...ORG_1], 1, "ERR_USAGE"],
    [["encrypt", `-${CANARY}`, ...ORG_1], 1, "ERR_USAGE"],
    [["encrypt", `--${CANARY}=${CANARY}`, ...ORG_1], 1, "ERR_USAGE"],
    [["encrypt", "\ufffd", ...ORG_1], 1, "ERR_USAGE"],
    [["encrypt", SECRET, ...ORG_1, "--format", CANARY], 1, "ERR_USAGE"],
    [["encrypt", SECRET, ...ORG_1, "--vault", ":memory:"], 1, "ERR_USAGE"],
    [["encrypt", SECRET, ...ORG_1], 1, "ERR_USAGE", { env: { COFFER_VAULT: "" } }],
    [["encrypt", SECRET, ...ORG_1, "--environment", CANARY], 1, "ERR_ENVIRONMENT_INVALID"],
    [["decrypt"], 1, "ERR_USAGE", { stdin: "\n" }],
    [["decrypt", CANARY], 1, "ERR_NOT_CIPHERTEXT"],
    [["decrypt", Buffer.from(SECRET).toString("base64")], 1, "ERR_NOT_CIPHERTEXT"],
    [["decrypt"], 1, "ERR_NOT_CIPHERTEXT", { stdin: Uint8Array.of(0xff, 0) }],
    [["decrypt", SAMPLE_ENVELOPES.iv12.slice(0, 200)], 3, "ERR_ENVELOPE_MALFORMED"],
    [["inspect", SAMPLE_ENVELOPES.iv12.slice(0, 200)], 3, "ERR_ENVELOPE_MALFORMED"],
    [["rekey", SAMPLE_ENVELOPES.iv12], 1, "ERR_USAGE"],
    [["rewrap", CANARY], 1, "ERR_NOT_CIPHERTEXT"],
    [["kv", "get"], 1, "ERR_USAGE"],
    [["kv", "get", "name", "--id", "id"], 1, "ERR_USAGE"],
    [["kv", "get", ""], 1, "ERR_KV_NAME_INVALID"],
    [["kv", CANARY], 1, "ERR_USAGE"],
    [[CANARY], 1, "ERR_USAGE"],
    // No vault: nothing but encrypt and put makes one.
    [["decrypt", SAMPLE_ENVELOPES.iv12], 2, "ERR_VAULT_NOT_FOUND"],
    [["rekey", SAMPLE_ENVELOPES.iv12, ...ORG_1], 2, "ERR_VAULT_NOT_FOUND"],
    [["kv", "get", "name"], 2, "ERR_VAULT_NOT_FOUND"],
    [["kv", "destroy", "name", "--yes"], 2, "ERR_VAULT_NOT_FOUND"],
    [["keys", "list"], 2, "ERR_VAULT_NOT_FOUND"],
    [["keys", "rewrap"], 2, "ERR_VAULT_NOT_FOUND"],
  ];
  const before = readdirSync(directory);
  await inPairs(cases, async ([args, code, error, options]) => {
    expectError(await run(args, options), code, error, args.join(" "));
  });
  expect(readdirSync(directory)).toEqual(before);
}, 60_000);

test("suggestions and positions stand in for what was typed", async () => {
  const { run } = workplace();
  const [help, option, command, missing] = await Promise.all([
    run(["encrypt", SECRET, "--hlp"]),
    run(["encrypt", SECRET, "--contxt", "a=b"]),
    run(["kv", "putt", "name", SECRET]),
    run(["encrypt", SECRET, "--context"]),
  ]);
  expect(help.err).toContain("unknown option: argument 3 (ERR_USAGE)\ncoffer: hint: did you mean --help?\n");
  expect(option.err).toContain(
    "unknown option: argument 3 (ERR_USAGE)\ncoffer: hint: did you mean --context?\n",
  );
  expect(command.err).toContain("unknown command (ERR_USAGE)\ncoffer: hint: did you mean put?\n");
  expect(missing.err).toContain("option '--context <name=value>' argument missing");
});

test("an error of the parser that has no method of ours is told, without what was typed", async () => {
  const { run, path } = workplace();
  const parser = pathToFileURL(join(import.meta.dirname, "../../src/cli/parser.ts"));
  writeFileSync(
    path("other.mjs"),
    `import { Parser } from "${parser}"; delete Parser.prototype._excessArguments;`,
  );
  const env = { NODE_OPTIONS: `--import=${pathToFileURL(path("other.mjs"))}` };
  const ran = await run(["inspect", "a", CANARY], { env });
  expectError(ran, 1, "ERR_USAGE", "too many arguments");
});

test("foreign and altered ciphertexts, wrong root keys and damaged files", async () => {
  const { path, run, out } = workplace();
  const ciphertext = (await out(["encrypt", SECRET, ...ORG_1])).trim();
  const bytes = Buffer.from(ciphertext, "base64");
  bytes[bytes.length - 1]! ^= 1;
  const blobMagicAt = bytes.indexOf("CFR.EKM.v1");
  const noKeks = Buffer.from(bytes);
  noKeks[blobMagicAt + 27] = 0;
  const key = Buffer.alloc(32, 7).toString("base64");
  for (const name of ["cut.db", "other.db", "keyless.db"]) copyFileSync(path("vault.db"), path(name));
  for (const name of ["cut.db", "other.db"])
    copyFileSync(path("vault.db.root-key"), path(`${name}.root-key`));
  writeFileSync(path("other.db.root-key"), `${key}\n`);
  writeFileSync(path("bad.key"), CANARY);
  truncateSync(path("cut.db"), 5000);
  writeFileSync(path("text.db"), SECRET.repeat(100));
  new DatabaseSync(path("foreign.db")).exec("CREATE TABLE t (x)");
  const list = (vault: string, ...more: string[]): string[] => [
    "kv",
    "list",
    "--vault",
    path(vault),
    ...more,
  ];
  const cases: readonly Case[] = [
    [["decrypt", bytes.toString("base64")], 3, "ERR_DECRYPT_FAILED"],
    [["decrypt", noKeks.toString("base64")], 3, "ERR_KEY_BLOB_MALFORMED"],
    [["decrypt", SAMPLE_ENVELOPES.iv12], 3, "ERR_KEY_BLOB_MALFORMED"],
    [["decrypt", ciphertext, "--environment", "other"], 2, "ERR_KEY_NOT_FOUND"],
    [["api-keys", "revoke", "key_none"], 2, "ERR_API_KEY_NOT_FOUND"],
    [["kv", "get", "db"], 2, "ERR_ROOT_KEY_WRONG", { env: { COFFER_ROOT_KEY: key } }],
    [["kv", "get", "db"], 2, "ERR_ROOT_KEY_INVALID", { env: { COFFER_ROOT_KEY: CANARY } }],
    [list("vault.db", "--root-key-file", path("bad.key")), 2, "ERR_ROOT_KEY_INVALID"],
    [list("other.db"), 2, "ERR_ROOT_KEY_WRONG"],
    [list("keyless.db"), 2, "ERR_ROOT_KEY_MISSING"],
    [list("cut.db"), 3, "ERR_STORAGE_CORRUPT"],
    [list("text.db"), 3, "ERR_STORAGE_CORRUPT"],
    [list("foreign.db"), 3, "ERR_STORAGE_CORRUPT"],
    [list("."), 2, "ERR_STORAGE_UNAVAILABLE"],
  ];
  await inPairs(cases, async ([args, code, error, options]) => {
    expectError(await run(args, options), code, error, args.join(" "));
  });
  // What stands on the command line goes before the variable.
  const given = ["--root-key-file", path("vault.db.root-key")];
  expect(await out(["decrypt", ciphertext, ...given], { env: { COFFER_ROOT_KEY: key } })).toBe(SECRET);
});

test("values larger than the library takes are refused, not cut off", async () => {
  const { run, path } = workplace();
  writeFileSync(path("large"), "");
  truncateSync(path("large"), PLAINTEXT_BYTES_MAX + 1);
  const plaintext = await run(["encrypt", "@large", ...ORG_1]);
  expectError(plaintext, 1, "ERR_PLAINTEXT_TOO_LARGE", "encrypt");
  truncateSync(path("large"), 2 * PLAINTEXT_BYTES_MAX);
  expectError(await run(["inspect", "@large"]), 1, "ERR_ENVELOPE_TOO_LARGE", "inspect");
  expectError(await run(["encrypt", "x", "--aad", "@large", ...ORG_1]), 1, "ERR_USAGE", "aad");
});

test("errors and notes are JSON where results are", async () => {
  const { run, path } = workplace();
  const made = await run(["kv", "put", "db", SECRET, ...ORG_1, "--format", "json"]);
  expect(JSON.parse(made.err)).toEqual({ note: expect.stringContaining("created the root key") });
  const parse = (ran: Ran): unknown => JSON.parse(ran.err);
  expect(parse(await run(["kv", "get", "other", "--format=json"]))).toEqual({
    error: {
      code: "ERR_KV_NOT_FOUND",
      message: "there is no such object",
      exitCode: 2,
      retryable: false,
      hints: [expect.any(String)],
    },
  });
  expect(parse(await run(["--format", "json", "kv", "get", SECRET, SECRET]))).toMatchObject({
    error: { code: "ERR_USAGE", exitCode: 1 },
  });
  const lost = await run(["kv", "list", "--field", "data.9.x", "--vault", path("vault.db")]);
  expectError(lost, 1, "ERR_USAGE", "no such field");
  expect(lost.err).toContain("fields of the result: data, listMetadata");
});

test("help and version", async () => {
  const { run } = workplace();
  const [none, help, short, version, group, leaf, literal] = await Promise.all([
    run([]),
    run(["--help"]),
    run(["kv", "get", "-h"]),
    run(["--version"]),
    run(["kv"]),
    run(["help", "rekey"]),
    run(["kv", "get", "--", "-h"]),
  ]);
  expect(none).toMatchObject({ code: 1, out: "" });
  expect(none.err).toContain("Usage: coffer");
  expect(help).toMatchObject({ code: 0, err: "" });
  for (const part of ["encrypt", "rewrap", "keys", "Exit codes:", "COFFER_ROOT_KEY", "Examples:"]) {
    expect(help.out).toContain(part);
  }
  expect(short.out).toContain("Usage: coffer kv get");
  expect(version).toMatchObject({ code: 0, out: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) });
  expect(group).toMatchObject({ code: 1, out: "" });
  expect(leaf.out).toContain("The encrypted data is");
  expectError(literal, 2, "ERR_VAULT_NOT_FOUND", "a name that looks like an option");
});

/** Two at a time: one for each core that a small machine has. */
async function inPairs<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const left = [...items];
  const worker = async (): Promise<void> => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await work(item);
  };
  await Promise.all([worker(), worker()]);
}
