/**
 * An application with an encrypted column, which goes on reading and writing while its ciphertexts are moved.
 *
 * Owns its table, its traffic, and what each row must decrypt to. Runs on SQLite by a path and on PostgreSQL by a URL. Must
 * not know the job.
 *
 * @module
 */
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import type { Vault } from "../../src/index.ts";
import type { CiphertextSource } from "../../src/rekey/index.ts";
import { postgresTable, sqliteTable } from "../../src/sources/index.ts";

/** The table. */
export const TABLE = "customers";
/** The column of ciphertexts. */
export const COLUMN = "iban";
/** The key context of all of them. */
export const CONTEXT = { app: "shop" };

/** Characters of a secret: that of a bank account with a name and a note. */
const SECRET_CHARACTERS = 200;
/** Rows that are made, or read, at once. */
const ROWS_AT_ONCE = 1_000;
/** Milliseconds between two acts of the reader or the writer. */
const PAUSE_MS = 2;

/** Milliseconds for which a server that is away is asked again, and between two tries. */
const AWAY_MS_MAX = 60_000;
const AWAY_RETRY_MS = 50;
/** What the package `pg` says of a server that ends, starts, or is not there (SQLSTATE classes 08 and 57P, and errors without one). */
const AWAY = /^(?:08|57P|25006$|E[A-Z]+$)/;

/** What of a database the application uses. */
interface Store {
  exec(statement: string): Promise<void>;
  insert(rows: readonly (readonly [id: number, text: string])[]): Promise<void>;
  get(id: number): Promise<string>;
  set(id: number, text: string): Promise<void>;
  page(after: number, limit: number): Promise<(readonly [id: number, text: string])[]>;
  source(): CiphertextSource;
  close(): Promise<void>;
}

/** What happened while the traffic ran. */
export interface Traffic {
  readonly reads: number;
  readonly writes: number;
  /** What went wrong; nothing should. */
  readonly failures: readonly string[];
}

/** The application. */
export class Application {
  readonly #store: Store;
  readonly #vault: Vault;
  /** The newest version of each row's secret that has been written, by its id. */
  readonly #versions: number[];

  private constructor(store: Store, vault: Vault, rows: number) {
    this.#store = store;
    this.#vault = vault;
    this.#versions = new Array<number>(rows + 1).fill(1);
  }

  /** Opens the database and makes its rows, each with a data key of its own. */
  static async create(
    target: string,
    vault: Vault,
    rows: number,
    onProgress: (done: number) => void = () => {},
  ): Promise<Application> {
    const store = await openStore(target);
    await store.exec(`DROP TABLE IF EXISTS ${TABLE}`);
    await store.exec(`CREATE TABLE ${TABLE} (id INTEGER PRIMARY KEY, ${COLUMN} TEXT NOT NULL)`);
    for (let from = 1; from <= rows; from += ROWS_AT_ONCE) {
      const ids = Array.from({ length: Math.min(ROWS_AT_ONCE, rows - from + 1) }, (_, i) => from + i);
      const texts = await Promise.all(ids.map((id) => vault.encrypt(secretOf(id, 1), CONTEXT, aadOf(id))));
      await store.insert(ids.map((id, i) => [id, texts[i]!] as const));
      onProgress(from + ids.length - 1);
    }
    return new Application(store, vault, rows);
  }

  /** The table as a job sees it, on a connection of its own. */
  source(): CiphertextSource {
    return this.#store.source();
  }

  /** Starts a reader and a writer. @returns what stops them */
  startTraffic(): () => Promise<Traffic> {
    let isOver = false;
    let [reads, writes] = [0, 0];
    const failures: string[] = [];
    const rows = this.#versions.length - 1;
    const until = async (act: (id: number) => Promise<void>): Promise<void> => {
      while (!isOver) {
        const id = 1 + Math.floor(Math.random() * rows);
        await act(id).catch((error) => failures.push(`row ${id}: ${(error as Error).message}`));
        await sleep(PAUSE_MS);
      }
    };
    const reader = until(async (id) => {
      const from = this.#versions[id]!;
      const found = await this.#vault.decrypt(await this.#store.get(id), aadOf(id));
      const version = versionOf(id, found);
      // The writer raises the version before it writes.
      if (version < from - 1 || version > this.#versions[id]!) throw new Error(`holds version ${version}`);
      reads += 1;
    });
    const writer = until(async (id) => {
      const version = this.#versions[id]! + 1;
      const text = await this.#vault.encrypt(secretOf(id, version), CONTEXT, aadOf(id));
      this.#versions[id] = version;
      await this.#store.set(id, text);
      writes += 1;
    });
    return async () => {
      isOver = true;
      await Promise.all([reader, writer]);
      return { reads, writes, failures };
    };
  }

  /** Decrypts every row and compares it with what was written last. @returns rows that were right */
  async checkAll(): Promise<number> {
    let right = 0;
    for (let after = 0; ; ) {
      const page = await this.#store.page(after, ROWS_AT_ONCE);
      if (page.length === 0) return right;
      const opened = await this.#vault.decryptMany(
        page.map(([id, text]) => ({ ciphertext: text, associatedData: aadOf(id) })),
      );
      for (const [i, [id]] of page.entries()) {
        const result = opened[i]!;
        if (!result.ok) throw result.error;
        if (result.value !== secretOf(id, this.#versions[id]!))
          throw new Error(`row ${id} holds another value`);
        right += 1;
      }
      after = page[page.length - 1]![0];
    }
  }

  close(): Promise<void> {
    return this.#store.close();
  }
}

const aadOf = (id: number): string => `${TABLE}:${id}`;
const secretOf = (id: number, version: number): string =>
  `customer ${id}, version ${version}`.padEnd(SECRET_CHARACTERS, ".");

function versionOf(id: number, secret: string): number {
  const [, found, version] = /^customer (\d+), version (\d+)\.*$/.exec(secret) ?? [];
  if (Number(found) !== id) throw new Error("holds the secret of another row");
  return Number(version);
}

function openStore(target: string): Promise<Store> {
  return /^postgres(?:ql)?:/.test(target) ? postgresStore(target) : sqliteStore(target);
}

async function sqliteStore(path: string): Promise<Store> {
  const database = new DatabaseSync(path, { timeout: 5_000 });
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL");
  // Made when they are first used: by then there is the table.
  const kept = new Map<string, ReturnType<DatabaseSync["prepare"]>>();
  const prepared = (statement: string): ReturnType<DatabaseSync["prepare"]> => {
    const found = kept.get(statement) ?? database.prepare(statement);
    kept.set(statement, found);
    return found;
  };
  return {
    exec: async (statement) => database.exec(statement),
    insert: async (rows) => {
      database.exec("BEGIN");
      for (const [id, text] of rows) prepared(`INSERT INTO ${TABLE} VALUES (?, ?)`).run(id, text);
      database.exec("COMMIT");
    },
    get: async (id) =>
      prepared(`SELECT ${COLUMN} AS text FROM ${TABLE} WHERE id = ?`).get(id)!.text as string,
    set: async (id, text) => {
      prepared(`UPDATE ${TABLE} SET ${COLUMN} = ? WHERE id = ?`).run(text, id);
    },
    page: async (after, limit) =>
      prepared(`SELECT id, ${COLUMN} AS text FROM ${TABLE} WHERE id > ? ORDER BY id LIMIT ?`)
        .all(after, limit)
        .map((row) => [row.id as number, row.text as string] as const),
    source: () => sqliteTable({ database: path, table: TABLE, columns: [COLUMN] }),
    close: async () => database.close(),
  };
}

async function postgresStore(url: string): Promise<Store> {
  const { default: pg } = await import("pg");
  const pool = new pg.Pool({ connectionString: url, max: 10 });
  pool.on("error", () => {});
  return {
    exec: async (statement) => {
      await pool.query(statement);
    },
    insert: async (rows) => {
      await pool.query(`INSERT INTO ${TABLE} SELECT * FROM unnest($1::int[], $2::text[])`, [
        rows.map(([id]) => id),
        rows.map(([, text]) => text),
      ]);
    },
    // Done once or twice, each of them has the same effect.
    get: async (id) =>
      (await whenThere(() => pool.query(`SELECT ${COLUMN} AS text FROM ${TABLE} WHERE id = $1`, [id])))
        .rows[0].text,
    set: async (id, text) => {
      await whenThere(() => pool.query(`UPDATE ${TABLE} SET ${COLUMN} = $1 WHERE id = $2`, [text, id]));
    },
    page: async (after, limit) =>
      (
        await pool.query(`SELECT id, ${COLUMN} AS text FROM ${TABLE} WHERE id > $1 ORDER BY id LIMIT $2`, [
          after,
          limit,
        ])
      ).rows.map((row) => [row.id, row.text] as const),
    source: () => postgresTable({ pool, table: TABLE, columns: [COLUMN] }),
    close: () => pool.end(),
  };
}

/** Asks a server again that is away for a moment. @throws what else is wrong with the call, or what was wrong last */
async function whenThere<T>(call: () => Promise<T>): Promise<T> {
  const until = performance.now() + AWAY_MS_MAX;
  for (;;) {
    try {
      return await call();
    } catch (error) {
      const { code, message } = error as { code?: string; message: string };
      const isAway = code === undefined ? /^Connection terminated|timeout/.test(message) : AWAY.test(code);
      if (!isAway || performance.now() > until) throw error;
      await sleep(AWAY_RETRY_MS);
    }
  }
}
