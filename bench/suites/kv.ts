/**
 * The KV store: the embedded vault on a file against raw `node:sqlite` on another, in the same directory.
 *
 * Owns the competitors. Both commit each put with WAL and synchronous=FULL, so both wait for the disk; every put
 * stores another value, since SQLite skips the write of equal bytes.
 *
 * @module
 */
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { type EmbeddedVault, openVault } from "../../src/vault/index.ts";
import type { Case } from "../lib/harness.ts";
import { shuffled } from "../lib/statistics.ts";

const SUITE = "kv";
const CONTEXT = { organization_id: "org_1" };
const SIZES = [
  { name: "64 B", bytes: 64 },
  { name: "1 KiB", bytes: 1024 },
] as const;

/** Objects that gets choose from. */
const OBJECTS = 2_000;
const OBJECTS_QUICK = 20;

/** @param directory - on the disk to measure */
export async function* kvCases(mode: "quick" | "default" | "full", directory: string): AsyncGenerator<Case> {
  const sizes = mode === "quick" ? SIZES.slice(0, 1) : SIZES;
  for (const size of sizes) yield await putCase(size, directory);
  for (const size of sizes) yield await getCase(size, directory, mode === "quick" ? OBJECTS_QUICK : OBJECTS);
}

type Size = (typeof SIZES)[number];

interface StoredObject {
  readonly name: string;
  readonly id: string;
  readonly value: string;
}

/** Both stores, empty, on files of their own, which go even if the process is interrupted (bench/main.ts exits then). */
class Stores {
  readonly #remove: () => void;
  readonly #database: DatabaseSync;
  readonly #insert: StatementSync;
  readonly #select: StatementSync;
  readonly vault: EmbeddedVault;

  constructor(directory: string, vault: EmbeddedVault, remove: () => void) {
    this.#remove = remove;
    this.vault = vault;
    this.#database = new DatabaseSync(join(directory, "raw.db"));
    this.#database.exec(
      "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE kv (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    );
    this.#insert = this.#database.prepare("INSERT INTO kv (name, value) VALUES (?, ?)");
    this.#select = this.#database.prepare("SELECT value FROM kv WHERE name = ?");
  }

  static async open(parent: string): Promise<Stores> {
    const directory = mkdtempSync(join(parent, "coffer-bench-"));
    const remove = (): void => rmSync(directory, { recursive: true, force: true });
    process.once("exit", remove);
    const vault = await openVault({ path: join(directory, "vault.db"), rootKey: randomBytes(32) });
    return new Stores(directory, vault, remove);
  }

  /** One insert, one commit. */
  rawPut(name: string, value: string): void {
    this.#insert.run(name, value);
  }

  rawGet(name: string): string {
    return this.#select.get(name)!.value as string;
  }

  async put(name: string, value: string): Promise<string> {
    return (await this.vault.createKv({ name, value, keyContext: CONTEXT })).id;
  }

  async close(): Promise<void> {
    this.#database.close();
    await this.vault.close();
    this.#remove();
    process.off("exit", this.#remove);
  }
}

async function putCase(size: Size, directory: string): Promise<Case> {
  const stores = await Stores.open(directory);
  const name = (i: number): string => `secret/${i}`;
  const value = (): string => makeValue(size.bytes);
  return {
    suite: SUITE,
    work: "put",
    size: size.name,
    clock: "wall",
    competitors: [
      { name: "node:sqlite", isAsync: false, call: (i) => stores.rawPut(name(i), value()) },
      { name: "coffer", isAsync: true, call: (i) => stores.put(name(i), value()) },
    ],
    async check() {
      const written = value();
      stores.rawPut("check", written);
      await stores.put("check", written);
      agree("node:sqlite", stores.rawGet("check"), written);
      agree("coffer", (await stores.vault.getName({ name: "check" })).value, written);
    },
    close: () => stores.close(),
  };
}

async function getCase(size: Size, directory: string, count: number): Promise<Case> {
  const stores = await Stores.open(directory);
  let objects: StoredObject[] = [];
  const pick = (i: number): StoredObject => objects[i % count]!;
  return {
    suite: SUITE,
    work: "get",
    size: size.name,
    clock: "cpu",
    competitors: [
      { name: "node:sqlite", isAsync: false, call: (i) => stores.rawGet(pick(i).name) },
      { name: "coffer", isAsync: true, call: (i) => stores.vault.getKv({ id: pick(i).id }) },
      { name: "coffer by name", isAsync: true, call: (i) => stores.vault.getName({ name: pick(i).name }) },
    ],
    async check() {
      for (let i = 0; i < count; i++) {
        const name = `secret/${i}`;
        const value = makeValue(size.bytes);
        stores.rawPut(name, value);
        objects.push({ name, id: await stores.put(name, value), value });
      }
      objects = shuffled(objects);
      for (const { name, id, value } of objects) {
        agree("node:sqlite", stores.rawGet(name), value);
        agree("coffer", (await stores.vault.getKv({ id })).value, value);
        agree("coffer by name", (await stores.vault.getName({ name })).value, value);
      }
    },
    close: () => stores.close(),
  };
}

/** Another text each time. */
function makeValue(bytes: number): string {
  return randomBytes(bytes).toString("base64").slice(0, bytes);
}

function agree(who: string, got: unknown, expected: string): void {
  if (got !== expected) throw new Error(`outputs disagree: ${who} answers another value than was stored`);
}
