/**
 * The demo, run as a user runs it: as a process, on files.
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, afterEach, describe, expect, test, vi } from "vitest";
import { parseCsv } from "../../examples/demo/csv.ts";
import { appEnv, customersCsv } from "../../examples/demo/data/generate.ts";
import { readSecrets, readTable } from "../../examples/demo/input.ts";
import { isCiphertext } from "../../src/index.ts";
import { openVault } from "../../src/vault/index.ts";
import { rejectionOf } from "../support/errors.ts";

const ROOT = join(import.meta.dirname, "..", "..");
const DEMO = join(ROOT, "examples", "demo");
const ROWS = 80;

vi.setConfig({ testTimeout: 120_000 });

const scratch = mkdtempSync(join(tmpdir(), "coffer-demo-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** A new directory for one test. */
const directory = (): string => mkdtempSync(join(scratch, "test-"));

function write(path: string, text: string | Uint8Array): string {
  writeFileSync(path, text);
  return path;
}

const CSV = write(join(scratch, "customers.csv"), customersCsv(ROWS));

interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const running = new Set<ChildProcess>();
afterEach(() => {
  for (const child of running) child.kill("SIGKILL");
});

interface RunOptions {
  /** Options of node itself. */
  readonly node?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Told of each piece of stdout. */
  readonly onOutput?: (soFar: string, child: ChildProcess) => void;
}

function run(args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  const { COFFER_ROOT_KEY: _, ...env } = process.env;
  const child = spawn(process.execPath, [...(options.node ?? []), join(DEMO, "main.ts"), ...args], {
    cwd: ROOT,
    env: { ...env, ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  running.add(child);
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (piece: string) => {
    stdout += piece;
    options.onOutput?.(stdout, child);
  });
  child.stderr.setEncoding("utf8").on("data", (piece: string) => {
    stderr += piece;
  });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => {
      running.delete(child);
      resolve({ code, stdout, stderr });
    });
  });
}

test("the bundled files are what the generator makes", () => {
  expect(readFileSync(join(DEMO, "data", "app.env"), "utf8")).toBe(appEnv());
  expect(readFileSync(join(DEMO, "data", "customers.csv"), "utf8")).toBe(customersCsv());
  expect(parseCsv(customersCsv())).toHaveLength(3_001);
});

test("two runs each verify everything, and leave a vault and ciphertexts that the API reads", async () => {
  const out = directory();
  const args = ["--csv", CSV, "--out", out];
  for (const number of [1, 2]) {
    const { code, stdout, stderr } = await run(args);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const run1 = join(out, `run-${number}`);
    for (const line of [
      "19 secrets of",
      `${ROWS} rows of 12 tenants in ${CSV}`,
      /^1 {2}Open a vault +\d+ ms$/m,
      "the root key",
      "a stale write was refused (ERR_KV_VERSION_CONFLICT)",
      `${4 * ROWS} fields (name, email, iban, note of ${ROWS} rows), written to ${join(run1, "customers.encrypted.csv")}`,
      "12 data keys",
      `${4 * ROWS} fields from`,
      "swapped: both refused (ERR_DECRYPT_FAILED)",
      'org_01 moved to { organization_id: "org_01", storage_region: "eu" }',
      "their payload bytes are the same as before",
      /organization_id=org_01: version 2; \d+ fields rewrapped, 0 left under older versions/,
      "app=coffer-demo: version 2; 20 stored values rewrapped, 0 left under older versions",
      "dry run: the KEK of organization_id=org_12 is needed by 1 context and 0 stored secrets",
      /nothing of org_12 can be read any more, \d+ fields refused \(ERR_KEY_DESTROYED\)/,
      /the other \d+ fields and 19 secrets still decrypt/,
      /^ {3}\d+ values of 12 bytes or more searched for: found in none of$/m,
      /^All verified in/m,
      `npm run --silent coffer -- kv list --vault ${join(run1, "vault.db")}`,
    ]) {
      if (typeof line === "string") expect(stdout).toContain(line);
      else expect(stdout).toMatch(line);
    }
  }
  expect(readdirSync(out).sort()).toEqual(["run-1", "run-2"]);
  expect(readdirSync(join(out, "run-2")).sort()).toEqual([
    "customers.encrypted.csv",
    "one-field.txt",
    "vault.db",
    "vault.db.root-key",
  ]);
  expect(statSync(join(out, "run-2")).mode & 0o777).toBe(0o700);

  const [header, ...rows] = parseCsv(readFileSync(CSV, "utf8"));
  const [sealedHeader, ...sealedRows] = parseCsv(
    readFileSync(join(out, "run-1", "customers.encrypted.csv"), "utf8"),
  );
  expect(sealedHeader).toEqual(header);
  expect(sealedRows).toHaveLength(ROWS);
  await using vault = await openVault({ path: join(out, "run-1", "vault.db"), create: false });
  let gone = 0;
  for (const [index, [id, tenant, ...fields]] of rows.entries()) {
    const [sealedId, sealedTenant, ...sealed] = sealedRows[index]!;
    expect([sealedId, sealedTenant]).toEqual([id, tenant]);
    const context = { organization_id: tenant!, ...(tenant === "org_01" ? { storage_region: "eu" } : {}) };
    for (const [column, field] of fields.entries()) {
      const place = `customers:${id}:${header![column + 2]}`;
      const ciphertext = sealed[column]!;
      expect(isCiphertext(ciphertext)).toBe(true);
      if (tenant === "org_12") {
        gone += 1;
        expect((await rejectionOf(() => vault.decrypt(ciphertext, place))).code).toBe("ERR_KEY_DESTROYED");
      } else {
        expect(await vault.decrypt(ciphertext, place, { context })).toBe(field);
        expect((await rejectionOf(() => vault.decrypt(ciphertext, `${place}!`))).code).toBe(
          "ERR_DECRYPT_FAILED",
        );
      }
    }
  }
  expect(gone).toBeGreaterThan(0);
  expect((await vault.getName({ name: "MAIL_FROM" })).value).toBe(
    "Büro für Rechnungen 📬 <billing@example.com>",
  );
  expect((await vault.getName({ name: "LEGACY_TOKEN" })).value).toBe("");
  const oneField = readFileSync(join(out, "run-1", "one-field.txt"), "utf8");
  expect(await vault.decrypt(oneField, `customers:${rows[0]![0]}:name`)).toBe(rows[0]![2]);
});

test("takes a user's files: other columns, names that a shell would take apart", async () => {
  const out = join(directory(), "my output");
  const env = write(join(scratch, "my own.env"), "\uFEFFexport A=1\nB=''\nC=\"two\nlines\"\n");
  const csv = write(
    join(scratch, "people, 2026.csv"),
    '\uFEFFcustomer,"e-mail, private",key\r\n"Zoë\u0308 ""Z""","a@example.com, b",1\r\nZoë\u0308,,2\r\n',
  );
  const columns = ["--id-column", "key", "--tenant-column", "customer"];
  const outcome = await run(["--env", env, "--csv", csv, "--out", out, ...columns]);
  expect(outcome).toMatchObject({ code: 0, stderr: "" });
  expect(outcome.stdout).toContain("3 secrets");
  expect(outcome.stdout).toContain("2 rows of 2 tenants");
  expect(outcome.stdout).toContain(`--vault '${join(out, "run-1", "vault.db")}'`);
  const sealed = parseCsv(readFileSync(join(out, "run-1", "people, 2026.encrypted.csv"), "utf8"));
  expect(sealed.map((row) => [row[0], row[2]])).toEqual([
    ["customer", "key"],
    ['Zoë\u0308 "Z"', "1"],
    ["Zoë\u0308", "2"],
  ]);

  const again = join(out, "run-1", "people, 2026.encrypted.csv");
  const twice = await run(["--env", env, "--csv", again, "--out", out, ...columns]);
  expect(twice).toMatchObject({ code: 1, stderr: `\n${again}: row 1 is encrypted already\n` });
});

test("a root key in the environment is used, and said to be there", async () => {
  const out = directory();
  const key = Buffer.alloc(32, 7).toString("base64");
  const { code, stdout } = await run(["--csv", CSV, "--out", out], { env: { COFFER_ROOT_KEY: key } });
  expect(code).toBe(0);
  expect(stdout).toContain("(its root key is in COFFER_ROOT_KEY)");
  expect(existsSync(join(out, "run-1", "vault.db.root-key"))).toBe(false);

  const wrong = await run(["--csv", CSV, "--out", out], { env: { COFFER_ROOT_KEY: "short" } });
  expect(wrong.code).toBe(1);
  expect(wrong.stdout).toMatch(/^1 {2}Open a vault +failed$/m);
  expect(wrong.stderr).toMatch(/^\nERR_ROOT_KEY_INVALID: .*\n$/);
});

describe("what cannot be used is refused in one line before anything is written", () => {
  const secret = "s3cret-value";
  const bad = (name: string, text: string | Uint8Array): string => write(join(scratch, name), text);
  const shortRow = bad("short.csv", `id,organization_id,x,y\n1,a,${secret}\n`);

  test.each<[what: string, args: string[], message: string]>([
    ["a missing env file", ["--env", join(scratch, "gone.env")], "gone.env: no such file or directory"],
    ["a missing CSV file", ["--csv", join(scratch, "gone.csv")], "gone.csv: no such file or directory"],
    ["a malformed CSV file", ["--csv", shortRow], "CSV_RECORD_INCONSISTENT_FIELDS_LENGTH near line 2"],
    ["a missing tenant column", ["--csv", CSV, "--tenant-column", "tenant"], 'has no column "tenant"'],
    ["an unknown option", ["--tennant-column", "x"], "Unknown option '--tennant-column'"],
    ["an option without its value", ["--csv"], "argument"],
  ])("%s, by the process", async (_, args, message) => {
    const out = join(directory(), "out");
    const { code, stdout, stderr } = await run(["--out", out, ...args]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toContain(message);
    expect(stderr).not.toContain("    at ");
    expect(stderr).not.toContain(secret);
    expect(existsSync(out)).toBe(false);
  });

  test("an output folder that cannot be made", async () => {
    const { code, stderr } = await run(["--csv", CSV, "--out", CSV]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^\nEEXIST: .*\n$/);
  });

  test.each<[what: string, text: string | Uint8Array, message: string]>([
    ["an empty file", "", "holds no rows"],
    ["a header alone", "id,organization_id,x\n", "holds no rows"],
    [
      "a short row",
      `id,organization_id,x,y\n1,a,${secret}\n`,
      "CSV_RECORD_INCONSISTENT_FIELDS_LENGTH near line 2",
    ],
    [
      "a stray quote",
      `id,organization_id,x\n1,a,"${secret}"${secret}\n`,
      "CSV_INVALID_CLOSING_QUOTE near line 2",
    ],
    ["an open quote", `id,organization_id,x\n1,a,"${secret}\n`, "CSV_QUOTE_NOT_CLOSED near line 2"],
    ["no UTF-8", Buffer.from("id,organization_id,x\n1,a,\xff\n", "latin1"), "is not UTF-8 text"],
    [
      "no tenant column",
      "id,org,x\n1,a,b\n",
      'has no column "organization_id", only id, org, x: give --tenant-column NAME',
    ],
    [
      "no id column",
      "key,organization_id,x\n1,a,b\n",
      'has no column "id", only key, organization_id, x: give --id-column NAME',
    ],
    ["a row without a tenant", `id,organization_id,x\n1,a,b\n2,,${secret}\n`, "row 2 has no organization_id"],
    ["one tenant", "id,organization_id,x\n1,a,b\n", "has one organization_id only"],
    ["an id twice", `id,organization_id,x\n1,a,b\n1,c,${secret}\n`, 'two rows of the same "id"'],
    ["a column twice", `id,organization_id,x,x\n1,a,b,${secret}\n`, "two columns of the same name"],
    [
      "a colon, which would make places ambiguous",
      "id,organization_id,x:y\n1,a,b\n",
      "a colon in a column's name",
    ],
    ["nothing to encrypt", "id,organization_id\n1,a\n", "has no column left to encrypt"],
    ["more than fits", `id,organization_id,x\n${"1,a,b\n".repeat(500_001)}`, "too large for this demo"],
  ])("a CSV file with %s", async (_, text, message) => {
    const { name, message: got } = await rejectionOf(() =>
      readTable(bad("bad.csv", text), "id", "organization_id"),
    );
    expect(name).toBe("InputError");
    expect(got).toContain(message);
    expect(got).not.toContain(secret);
    expect(got).not.toContain("\n");
  });

  test("an env file without a secret", async () => {
    const error = await rejectionOf(() => readSecrets(bad("no.env", "# nothing\n")));
    expect(error.message).toContain("holds no NAME=value line");
  });
});

test("--help tells every option", async () => {
  const { code, stdout } = await run(["--help"]);
  expect(code).toBe(0);
  for (const option of ["--env", "--csv", "--id-column", "--tenant-column", "--out"]) {
    expect(stdout).toContain(`  ${option} `);
  }
});

describe("a vault that does not keep its promises is found out", () => {
  /** Changes the vault's classes in the demo's process before it starts. */
  const sabotage = (code: string): string[] => {
    const patch = join(directory(), "patch.ts");
    const source = (path: string): string => JSON.stringify(pathToFileURL(join(ROOT, "src", path)).href);
    write(
      patch,
      `import { Vault } from ${source("index.ts")};
       import { EmbeddedVault } from ${source("vault/index.ts")};
       import { VaultKeks } from ${source("facade/keks.ts")};
       const { decrypt, rekey, encrypt, updateKv } = Vault.prototype;
       const { shred } = VaultKeks.prototype;
       ${code}`,
    );
    return ["--import", pathToFileURL(patch).href];
  };

  test.each<[what: string, code: string, message: RegExp]>([
    [
      "another plaintext",
      `Vault.prototype.decrypt = async function (...a) { return (await decrypt.apply(this, a)) + "!"; };`,
      /^\nVerification failed: customers:cus_00001:name decrypts to something else\n$/,
    ],
    [
      "associated data that is not looked at",
      `Vault.prototype.encrypt = function (data, context, _, options) { return encrypt.call(this, data, context, "", options); };
       Vault.prototype.decrypt = function (text, _, options) { return decrypt.call(this, text, "", options); };`,
      /^\nVerification failed: a swapped field was accepted, where ERR_DECRYPT_FAILED was due\n$/,
    ],
    [
      "a rekey that encrypts anew",
      `Vault.prototype.rekeyMany = async function (texts, context) {
         return Promise.all(texts.map(async () => ({ ok: true, value: await encrypt.call(this, "x", context) })));
       };`,
      /^\nVerification failed: customers:cus_\d+:name has another payload now\n$/,
    ],
    [
      "a rewrap that does nothing",
      "Vault.prototype.rewrap = async (text) => text;",
      /^\nVerification failed: \d+ fields are still under an old version of their KEK\n$/,
    ],
    [
      "a rewrap of the store that does nothing",
      "EmbeddedVault.prototype.rewrapKv = async () => ({ checked: 0, rewrapped: 0, skipped: 0 });",
      /^\nVerification failed: 20 stored values are still under an old version of their KEK\n$/,
    ],
    [
      "a shred that does nothing",
      `VaultKeks.prototype.shred = function (kek) { return shred.call(this, kek, { dryRun: true }); };`,
      /^\nVerification failed: customers:cus_\d+:name was accepted, where ERR_KEY_DESTROYED was due\n$/,
    ],
    [
      "stale writes that are let through",
      `Vault.prototype.updateKv = function ({ id, value }) { return updateKv.call(this, { id, value }); };`,
      /^\nVerification failed: a write over a version that was not seen was accepted, where ERR_KV_VERSION_CONFLICT was due\n$/,
    ],
    [
      "a plaintext left behind",
      `import { appendFileSync } from "node:fs";
       const { close } = EmbeddedVault.prototype;
       EmbeddedVault.prototype.close = async function () {
         const { value } = await this.getName({ name: "SESSION_SECRET" });
         await close.call(this);
         appendFileSync(process.env.DEMO_VAULT, value);
       };
       EmbeddedVault.prototype[Symbol.asyncDispose] = function () { return this.close(); };`,
      /^\nVerification failed: a value of the input is readable in .*run-1\n$/,
    ],
  ])("%s", async (_, code, message) => {
    const out = directory();
    const env = { DEMO_VAULT: join(out, "run-1", "vault.db") };
    const outcome = await run(["--csv", CSV, "--out", out], { node: sabotage(code), env });
    expect(outcome.stderr).toMatch(message);
    expect(outcome.code).toBe(1);
    expect(outcome.stdout).toMatch(/ failed$/m);
    expect(outcome.stdout).not.toContain("All verified");
  });
});

test.each(["SIGINT", "SIGTERM"] as const)("%s ends it cleanly", async (signal) => {
  const out = directory();
  const csv = write(join(out, "customers.csv"), customersCsv(8_000));
  let isSent = false;
  const { code, stdout, stderr } = await run(["--csv", csv, "--out", out], {
    onOutput: (soFar, child) => {
      if (isSent || !/^2 {2}Put/m.test(soFar)) return;
      isSent = true;
      child.kill(signal);
      child.kill(signal); // npm passes on what the terminal has sent already.
    },
  });
  expect(code).toBe(signal === "SIGINT" ? 130 : 143);
  expect(stdout).toMatch(/ stopped$/m);
  expect(stderr).toBe(
    `\nStopped by ${signal}. Your files are untouched; what this run made is left in ${out}.\n`,
  );
  // The vault was closed: nothing is left in its journal.
  expect(readdirSync(join(out, "run-1")).sort()).toEqual(["vault.db", "vault.db.root-key"]);
});
