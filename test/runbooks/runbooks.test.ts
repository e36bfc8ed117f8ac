/** The runbooks of docs/runbooks: every block is typed, in order, against a database that is made for it. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, onTestFinished, test, vi } from "vitest";
import type { KeyContext } from "../../src/crypto/index.ts";
import { inspect } from "../../src/index.ts";
import { type EmbeddedVault, openVault } from "../../src/vault/index.ts";
import { readBlocks } from "../../tools/documents/blocks.ts";
import { ROOT } from "../../tools/root.ts";
import { workplace } from "../support/cli.ts";

vi.setConfig({ testTimeout: 180_000 });

const FOLDER = join(ROOT, "docs", "runbooks");
const ROWS = 40;

/** What a runbook begins with, and what must hold in the end. */
interface Runbook {
  readonly contextOf: (row: number) => KeyContext;
  /** @param outputs - what each block has printed */
  readonly check: (
    texts: readonly string[],
    vault: EmbeddedVault,
    outputs: readonly string[],
  ) => Promise<void>;
}

const allDecrypt = async (vault: EmbeddedVault, texts: readonly string[]): Promise<void> => {
  for (const [i, text] of texts.entries()) expect(await vault.decrypt(text)).toBe(`secret ${i}`);
};
const versions = (texts: readonly string[]): unknown[] => [
  ...new Set(texts.map((text) => inspect(text).keyBlob.keks[0]!.version)),
];

const RUNBOOKS: Readonly<Record<string, Runbook>> = {
  "a-key-leaked.md": {
    contextOf: () => ({ organization_id: "org_1" }),
    check: async (texts, vault, outputs) => {
      expect(versions(texts)).toEqual([2]);
      await allDecrypt(vault, texts);
      const [, look, rewrap, shred, again] = outputs;
      expect(look).toContain("users.ssn");
      expect(rewrap).toContain(`${ROWS} moved`);
      expect(shred).toMatch(new RegExp(`2 +${ROWS}`));
      expect(shred).toMatch(/old +0/);
      expect(again).toContain(`${ROWS} moved`);
      const { versions: kept } = await vault.keks.get({ name: "organization_id", value: "org_1" });
      expect(kept.map(({ state }) => state)).toEqual(["active", "destroyed"]);
    },
  },
  "root-key-leaked.md": {
    contextOf: () => ({ organization_id: "org_1" }),
    check: async (texts, vault, outputs) => {
      expect(versions(texts)).toEqual([2]);
      // The vault was open all the time.
      await allDecrypt(vault, texts);
      const [before, rotated, , moved] = outputs;
      expect(before).toContain("is the one of this vault");
      expect(rotated).toMatch(/KEKs +1 wrapped anew/);
      expect(rotated).toMatch(/MACs +[1-9]\d* made anew/);
      expect(rotated).toMatch(/old root key +is kept in .*vault\.db\.root-key\.before-/);
      expect(moved).toContain(`${ROWS} moved`);
    },
  },
  "split-one-key.md": {
    contextOf: () => ({ app: "shop" }),
    check: async (texts, vault) => {
      for (const [i, text] of texts.entries()) {
        const context = { organization_id: `org_${i % 3}` };
        expect(await vault.decrypt(text, "", { context })).toBe(`secret ${i}`);
      }
    },
  },
  "change-the-layout.md": {
    contextOf: (row) => ({ organization_id: `org_${row % 3}` }),
    check: async (texts, vault, outputs) => {
      expect(outputs[0]).toMatch(new RegExp(`${ROWS} \\(native\\)`));
      expect(outputs[1]).toMatch(new RegExp(`${ROWS} \\(iv12\\)`));
      await allDecrypt(vault, texts);
    },
  },
};

/** Pages without lines to type: workos-and-back.test.ts runs the code of the second one. */
const OTHERS = ["README.md", "workos-and-back.md"];

test("each runbook is typed here", () => {
  const pages = readdirSync(FOLDER).filter((name) => !OTHERS.includes(name));
  expect(Object.keys(RUNBOOKS).sort()).toEqual(pages.sort());
});

test.each(Object.entries(RUNBOOKS))("%s", async (page, { contextOf, check }) => {
  const place = workplace();
  const vault = await openVault({ path: place.path("vault.db"), onNotice: () => {}, cache: { maxAgeMs: 0 } });
  onTestFinished(() => vault.close());
  const database = new DatabaseSync(place.path("app.db"), { timeout: 5_000 });
  onTestFinished(() => database.close());
  database.exec("PRAGMA journal_mode = WAL");
  database.exec("CREATE TABLE users (id INTEGER PRIMARY KEY, org TEXT, ssn TEXT)");
  const insert = database.prepare("INSERT INTO users (org, ssn) VALUES (?, ?)");
  for (let i = 0; i < ROWS; i++) insert.run(`org_${i % 3}`, await vault.encrypt(`secret ${i}`, contextOf(i)));

  const { blocks, problems } = readBlocks(page, readFileSync(join(FOLDER, page), "utf8"));
  expect(problems).toEqual([]);
  const outputs: string[] = [];
  for (const { code, line } of blocks) {
    const ran = await place.shell(`set -e\n${code}`);
    expect([`${page}:${line}`, ran.code, ran.err]).toEqual([`${page}:${line}`, 0, ""]);
    outputs.push(ran.out);
  }
  const texts = database
    .prepare("SELECT ssn FROM users ORDER BY id")
    .all()
    .map((row) => row.ssn as string);
  await check(texts, vault, outputs);
});
