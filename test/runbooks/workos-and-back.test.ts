/** docs/runbooks/workos-and-back.md: its code, run as it stands there, against keys that look as WorkOS's do. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, onTestFinished, test, vi } from "vitest";
import { Vault } from "../../src/index.ts";
import type { CiphertextSource, JobReport } from "../../src/rekey/index.ts";
import { sqliteTable } from "../../src/sources/index.ts";
import { ROOT } from "../../tools/root.ts";
import { WorkOsLookingKeys } from "../support/stub-key-service.ts";
import { openTestVault } from "../support/vaults.ts";

vi.setConfig({ testTimeout: 120_000 });

const ROWS = 120;

interface Sides {
  readonly workos: Vault;
  readonly coffer: Vault;
}

/** What the pages export. */
interface Code {
  vaultOfBoth(sides: Sides, target: keyof Sides): Vault;
  moveTable(both: Vault, source: CiphertextSource): Promise<JobReport>;
  countSides(texts: Iterable<string>): Record<string, number>;
  copyObjects(from: Vault, to: Vault): Promise<{ copied: string[]; there: string[]; failed: unknown[] }>;
  compareObjects(from: Vault, to: Vault): Promise<{ name: string; state: string }[]>;
}

const ENTRIES = { coffer: "index.ts", "coffer/keys": "keys/index.ts", "coffer/rekey": "rekey/index.ts" };

async function codeOf(directory: string, pages: readonly string[]): Promise<Code> {
  const blocks = pages.flatMap((page) =>
    [...readFileSync(join(ROOT, page), "utf8").matchAll(/^```ts\n(.*?)^```$/gms)].map((match) => match[1]!),
  );
  const modules = blocks.map((block, i) => {
    const path = join(directory, `block-${i}.ts`);
    const local = Object.entries(ENTRIES).reduce(
      (text, [entry, file]) => text.replaceAll(`from "${entry}"`, `from "${ROOT}/src/${file}"`),
      block,
    );
    writeFileSync(path, local);
    return import(path);
  });
  return Object.assign({}, ...(await Promise.all(modules)));
}

test("there and back, beside a reader and a writer", async () => {
  const directory = mkdtempSync(join(tmpdir(), "coffer-runbook-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const code = await codeOf(directory, ["docs/runbooks/workos-and-back.md", "docs/migration.md"]);
  // Objects of the hosted side stand in a store of their own.
  const sides: Sides = {
    workos: new Vault({ keys: new WorkOsLookingKeys(), kv: (await openTestVault()).kv }),
    coffer: await openTestVault(),
  };
  const database = new DatabaseSync(join(directory, "app.db"), { timeout: 5_000 });
  onTestFinished(() => database.close());
  database.exec("PRAGMA journal_mode = WAL");
  database.exec("CREATE TABLE users (id INTEGER PRIMARY KEY, org TEXT NOT NULL, ssn TEXT)");
  const insert = database.prepare("INSERT INTO users VALUES (?, ?, ?)");
  const contextOf = (id: number) => ({ organization_id: `org_${id % 3}` });
  const expected = new Map<number, string>();
  for (let id = 1; id <= ROWS; id++) {
    expected.set(id, `secret ${id}`);
    insert.run(id, `org_${id % 3}`, await sides.workos.encrypt(`secret ${id}`, contextOf(id)));
  }
  for (const name of ["a", "b", "c"])
    await sides.workos.createKv({ name, value: `value of ${name}`, keyContext: contextOf(1) });
  const select = database.prepare("SELECT ssn FROM users WHERE id = ?");
  const update = database.prepare("UPDATE users SET ssn = ? WHERE id = ?");
  const texts = () => database.prepare("SELECT ssn FROM users").all() as { ssn: string }[];

  for (const [from, target] of [
    ["workos", "coffer"],
    ["coffer", "workos"],
  ] as const) {
    const both = code.vaultOfBoth(sides, target);
    const source = sqliteTable({
      database: join(directory, "app.db"),
      table: "users",
      columns: ["ssn"],
      fields: ["org"],
    });
    let isOver = false;
    let seen = 0;
    const beside = (async () => {
      for (let id = 1; !isOver; id = (id % ROWS) + 1) {
        const text = (select.get(id) as { ssn: string }).ssn;
        expect(await both.decrypt(text)).toBe(expected.get(id));
        if (id % 7 === 0) {
          const value = `written ${target} ${++seen} ${id}`;
          const sealed = await both.encrypt(value, contextOf(id));
          update.run(sealed, id);
          expected.set(id, value);
        }
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    const report = await code.moveTable(both, source);
    isOver = true;
    await beside;
    await source.close();
    expect(report).toMatchObject({ isComplete: true, leftBehind: 0 });
    expect(code.countSides(texts().map(({ ssn }) => ssn))).toEqual({
      workos: 0,
      coffer: 0,
      other: 0,
      [target]: ROWS,
    });
    for (const [id, value] of expected)
      expect(await sides[target].decrypt((select.get(id) as { ssn: string }).ssn)).toBe(value);

    expect(await code.compareObjects(sides[from], sides[target])).toSatisfy((all: { state: string }[]) =>
      all.every(({ state }) => state === (target === "coffer" ? "missing" : "same")),
    );
    const copied = await code.copyObjects(sides[from], sides[target]);
    expect(copied).toMatchObject({ failed: [], there: { length: target === "coffer" ? 0 : 3 } });
    const compared = await code.compareObjects(sides[from], sides[target]);
    expect(compared.map(({ name, state }) => `${name} ${state}`).sort()).toEqual([
      "a same",
      "b same",
      "c same",
    ]);
  }
  // What was written on one side only is told.
  const { id, metadata } = await sides.coffer.getName({ name: "b" });
  await sides.coffer.updateKv({ id, value: "newer", versionCheck: metadata.versionId });
  const compared = await code.compareObjects(sides.workos, sides.coffer);
  expect(compared.find(({ name }) => name === "b")).toMatchObject({ state: "different" });
});
