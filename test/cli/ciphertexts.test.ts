/** `coffer encrypt`, `decrypt`, `inspect`, `rekey` and `rewrap`, run as processes. */
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { CANARY, npmShell, workplace } from "../support/cli.ts";
import { SAMPLE_1, SAMPLE_ENVELOPES } from "../support/samples.ts";

const SECRET = `s3cret ${CANARY}`;
const ORG_1 = ["--context", "organization_id=org_1"];
/** No text, line ends at its end, and a NUL. */
const BYTES = Buffer.from([0, 0xff, 0xfe, 0x0a, 0x80, 0x0d, 0x0a, 0x0a]);

describe("encrypt and decrypt", () => {
  test("as the README shows it: both ends of one pipe, on a vault that does not exist yet", async () => {
    const { path } = workplace();
    const vault = path("v/vault.db");
    const coffer = "npm run --silent coffer --";
    const ran = await npmShell(
      `printf s3cret | ${coffer} encrypt --context organization_id=org_1 --vault '${vault}' | ${coffer} decrypt --vault '${vault}'`,
    );
    expect(ran).toMatchObject({ code: 0, out: "s3cret" });
    expect(ran.err).toMatch(/^coffer: note: created the root key .*\n$/);
    expect(statSync(vault).mode & 0o777).toBe(0o600);
  });

  test("take values as an argument, from a file and from standard input, and give back exactly these bytes", async () => {
    const { path, run, out } = workplace();
    writeFileSync(path("bytes"), BYTES);
    const ways: [args: string[], stdin: string | Uint8Array | undefined, expected: Uint8Array][] = [
      [["@bytes"], undefined, BYTES],
      [["-"], BYTES, BYTES],
      [[], BYTES, BYTES],
      [["@@handle"], undefined, Buffer.from("@handle")],
      [["@@"], undefined, Buffer.from("@")],
      [["\u{feff}ü🔑\n"], undefined, Buffer.from("\u{feff}ü🔑\n")],
      [[""], undefined, Buffer.alloc(0)],
      [[], "", Buffer.alloc(0)],
      [["--", "-5x"], undefined, Buffer.from("-5x")],
    ];
    for (const [args, stdin, expected] of ways) {
      const ciphertext = await out(["encrypt", "--allow-empty", ...ORG_1, ...args], { stdin });
      expect(ciphertext).toMatch(/^[A-Za-z0-9+/]+=*\n$/);
      const ran = await run(["decrypt"], { stdin: ciphertext });
      expect(ran.bytes).toEqual(Buffer.from(expected));
      expect(ran.err).toBe("");
    }
  });

  test("take a ciphertext as an argument and from a file, with or without a line end", async () => {
    const { path, out } = workplace();
    const ciphertext = (await out(["encrypt", SECRET, ...ORG_1])).trim();
    writeFileSync(path("c.txt"), `${ciphertext}\r\n`);
    expect(await out(["decrypt", ciphertext])).toBe(SECRET);
    expect(await out(["decrypt", "@c.txt"])).toBe(SECRET);
    expect(await out(["decrypt", "-"], { stdin: ciphertext })).toBe(SECRET);
  });

  test("bind to associated data, as text or from a file", async () => {
    const { path, run, out } = workplace();
    writeFileSync(path("aad"), "user:42");
    const ciphertext = await out(["encrypt", SECRET, ...ORG_1, "--aad", "user:42"]);
    expect(await out(["decrypt", ciphertext.trim(), "--aad", "@aad"])).toBe(SECRET);
    const wrong = await run(["decrypt", "--aad", `user:${CANARY}`], { stdin: ciphertext });
    expect(wrong).toMatchObject({ code: 3, out: "" });
    expect(wrong.err).toContain("coffer: error: decryption failed");
    expect(wrong.err).toContain("(ERR_DECRYPT_FAILED)\ncoffer: hint: ");
    expect(await run(["decrypt"], { stdin: ciphertext })).toMatchObject({ code: 3, out: "" });
  });

  test("write to a new file for its owner only, and never over another one unless told so", async () => {
    const { path, run, out, json } = workplace();
    const ciphertext = await out(["encrypt", ...ORG_1], { stdin: BYTES });
    const file = path("plain");
    expect(await out(["decrypt", "--out", file], { stdin: ciphertext })).toBe("");
    expect(readFileSync(file)).toEqual(BYTES);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    writeFileSync(file, "other");
    const refused = await run(["decrypt", "--out", file], { stdin: ciphertext });
    expect(refused.code).toBe(1);
    expect(refused.err).toContain("(ERR_OUTPUT_EXISTS)");
    expect(readFileSync(file, "utf8")).toBe("other");
    expect(await json(["decrypt", "--out", file, "--force"], { stdin: ciphertext })).toEqual({
      file,
      bytes: BYTES.length,
    });
    expect(readFileSync(file)).toEqual(BYTES);
    const directory = await run(["decrypt", "--out", path("."), "--force"], { stdin: ciphertext });
    expect(directory.code).toBe(1);
    const nowhere = await run(["decrypt", "--out", path("no/where")], { stdin: ciphertext });
    expect(nowhere.code).toBe(1);
    expect(nowhere.err).toContain("(ERR_OUTPUT_FAILED)");
  });

  test("tell more as JSON, and one field alone", async () => {
    const { out, json } = workplace();
    const made = await json(["encrypt", SECRET, ...ORG_1, "--layout", "dotnet"]);
    expect(made).toEqual({
      ciphertext: expect.any(String),
      layout: "dotnet",
      dataKeyId: expect.stringMatching(/^[0-9a-f-]{36}$/),
      keks: [{ id: expect.stringMatching(/^[0-9a-f-]{36}$/), version: 1 }],
    });
    expect(await json(["decrypt", made.ciphertext])).toEqual({ plaintext: SECRET, encoding: "utf-8" });
    expect(await out(["decrypt", made.ciphertext, "--field", "encoding"])).toBe("utf-8");
    const ciphertext = await out(["encrypt", "--field", "ciphertext", ...ORG_1], { stdin: BYTES });
    expect(await json(["decrypt", ciphertext])).toEqual({
      plaintext: BYTES.toString("base64"),
      encoding: "base64",
    });
  });

  test("accept only what was asked for: layouts, lenience, context", async () => {
    const { run, out } = workplace();
    const ciphertext = (await out(["encrypt", SECRET, ...ORG_1, "--context", "a=b=c"])).trim();
    const loose = ciphertext.replace(/.{20}/g, "$& ");
    const json = '{"a":"b=c","organization_id":"org_1"}';
    for (const args of [
      [ciphertext, "--layout", "dotnet", "--layout", "iv12"],
      [loose, "--lenient"],
      [ciphertext, "--expect-context", "organization_id=org_1", "--expect-context", "a=b=c"],
      [ciphertext, "--expect-context-json", json],
    ]) {
      expect(await out(["decrypt", ...args])).toBe(SECRET);
    }
    for (const [args, code, error] of [
      [[ciphertext, "--layout", "dotnet"], 1, "ERR_LAYOUT_NOT_ALLOWED"],
      [[loose], 1, "ERR_NOT_CIPHERTEXT"],
      [[ciphertext, "--expect-context", "organization_id=org_1"], 3, "ERR_DECRYPT_FAILED"],
    ] as const) {
      const ran = await run(["decrypt", ...args]);
      expect(ran).toMatchObject({ code, out: "" });
      expect(ran.err).toContain(`(${error})`);
    }
  });
});

describe("inspect", () => {
  test("needs no vault, and tells layout, key and KEKs", async () => {
    const { path, out, json } = workplace();
    const env = { COFFER_VAULT: "" };
    const table = await out(["inspect", SAMPLE_ENVELOPES.iv32], { env });
    for (const line of [
      /^layout +iv32$/m,
      /^canonical +yes$/m,
      new RegExp(`^data key +${SAMPLE_1.dataKeyId}$`, "m"),
      new RegExp(`^KEK +${SAMPLE_1.kekId}$`, "m"),
      /^plaintext bytes +14$/m,
    ]) {
      expect(table).toMatch(line);
    }
    const told = await json(["inspect"], { stdin: SAMPLE_ENVELOPES["leb-first"], env });
    expect(told).toMatchObject({
      layout: "leb-first",
      encryptedKeys: SAMPLE_1.encryptedKeys,
      keyBlob: { format: "workos", keks: [{ id: SAMPLE_1.kekId }] },
    });
    expect(await out(["inspect", SAMPLE_ENVELOPES.dotnet, "--field", "keyBlob.keks.0.id"], { env })).toBe(
      SAMPLE_1.kekId,
    );
    expect(existsSync(path("vault.db"))).toBe(false);
  });
});

describe("rekey and rewrap", () => {
  test("move a ciphertext to another context, and to newer KEK versions", async () => {
    const { out, json, run } = workplace();
    const ciphertext = await out(["encrypt", SECRET, ...ORG_1, "--aad", "x"]);
    const moved = await out(["rekey", "--context", "organization_id=org_2"], { stdin: ciphertext });
    expect(moved).not.toBe(ciphertext);
    const expectation = ["--aad", "x", "--expect-context", "organization_id=org_2"];
    expect(await out(["decrypt", ...expectation], { stdin: moved })).toBe(SECRET);
    expect(await out(["decrypt", "--aad", "x"], { stdin: ciphertext })).toBe(SECRET);

    // Nothing newer: the same text.
    expect(await out(["rewrap"], { stdin: moved })).toBe(moved);
    await out(["keys", "rotate", "organization_id=org_2"]);
    const newer = await json(["rewrap", moved.trim()]);
    expect(newer.keks).toMatchObject([{ version: 2 }]);
    expect(await out(["decrypt", newer.ciphertext, ...expectation])).toBe(SECRET);

    // The old KEK version may go now.
    await out(["keys", "shred", "organization_id=org_2", "--version", "1", "--yes"]);
    expect(await out(["decrypt", newer.ciphertext, "--aad", "x"])).toBe(SECRET);
    const gone = await run(["decrypt", moved.trim(), "--aad", "x"]);
    expect(gone.code).toBe(2);
    expect(gone.err).toContain("(ERR_KEY_DESTROYED)");
  });
});
