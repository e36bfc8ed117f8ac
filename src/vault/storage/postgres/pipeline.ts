/**
 * Statements that are sent together: the server answers all of them without being waited for in between (PostgreSQL's
 * manual, section 53.2.3).
 *
 * Owns the messages of one such group, in the form that the library `pg` takes from others (its `Submittable`), and the reading
 * of their answers. One Sync ends a group, so what follows a statement that fails is not run. Must not know what the
 * statements say, nor how long is waited.
 *
 * @module
 */
import type { Client, Connection, Submittable } from "pg";
import type { Row } from "../database.ts";

/** A statement and its values; bytes as `Buffer`. */
export interface Statement {
  readonly text: string;
  readonly values: readonly (string | number | null | Buffer)[];
}

/** What the server answered to one. */
export interface StatementAnswer {
  readonly rows: readonly Row[];
  /** Rows that were changed, or found. */
  readonly rowCount: number;
  /** The tag's words: `INSERT 0 1`. */
  readonly tag: string;
}

/** A column of the rows that come. */
interface Field {
  readonly name: string;
  readonly dataTypeID: number;
}

/** Reads a value of a column from its text. */
type Parser = (text: string) => Row[string];

/** A group of statements on its way. */
export class Pipeline implements Submittable {
  readonly #client: Client;
  readonly #statements: readonly Statement[];
  readonly #hasFirstAlone: boolean;
  readonly #onFirst: () => void;
  readonly #done = Promise.withResolvers<void>();
  #names: readonly string[] = [];
  #parsers: readonly Parser[] = [];
  #rows: Row[] = [];
  #error: unknown;
  /** In order; shorter than the group where one has failed. */
  readonly answers: StatementAnswer[] = [];

  /**
   * @param onFirst - called with the first answer, which is asked for at once: who listens learns early that the server is
   *   there. Undefined to have all answers in one packet
   */
  constructor(client: Client, statements: readonly Statement[], onFirst: (() => void) | undefined) {
    this.#client = client;
    this.#statements = statements;
    this.#hasFirstAlone = onFirst !== undefined;
    this.#onFirst = onFirst ?? (() => {});
    this.#done.promise.catch(() => {}); // It may end when no call waits any more.
  }

  /** Resolves when the server has answered everything. @throws its error, or the connection's */
  get done(): Promise<void> {
    return this.#done.promise;
  }

  /** Sends the messages, in one piece. */
  submit(connection: Connection): void {
    const { stream } = connection;
    stream.cork();
    try {
      for (const [i, { text, values }] of this.#statements.entries()) {
        connection.parse({ name: "", text, types: [] }, true);
        const texts = values.map((value) => (typeof value === "number" ? String(value) : value));
        connection.bind({ portal: "", statement: "", values: texts }, true);
        connection.describe({ type: "P", name: "" }, true);
        connection.execute({ portal: "", rows: "" }, true);
        if (i === 0 && this.#hasFirstAlone) connection.flush();
      }
      connection.sync();
    } finally {
      stream.uncork();
    }
  }

  /** Called by `pg`, as all that follow. */
  handleRowDescription({ fields }: { readonly fields: readonly Field[] }): void {
    this.#names = fields.map(({ name }) => name);
    this.#parsers = fields.map(({ dataTypeID }) => this.#client.getTypeParser(dataTypeID, "text") as Parser);
  }

  handleDataRow({ fields }: { readonly fields: readonly (string | null)[] }): void {
    const row: Record<string, Row[string]> = {};
    for (let i = 0; i < fields.length; i++) {
      const text = fields[i]!;
      row[this.#names[i]!] = text === null ? null : this.#parsers[i]!(text);
    }
    this.#rows.push(row);
  }

  handleCommandComplete({ text }: { readonly text: string }): void {
    const rowCount = Number(/\d+$/.exec(text)?.[0] ?? 0);
    if (this.answers.push({ rows: this.#rows, rowCount, tag: text }) === 1) this.#onFirst();
    this.#rows = [];
  }

  handleEmptyQuery(): void {
    this.handleCommandComplete({ text: "" });
  }

  /** The server's error; it goes on behind the Sync. Or the connection's, which has ended. */
  handleError(error: unknown): void {
    this.#error ??= error;
    this.#done.reject(error);
  }

  handleReadyForQuery(): void {
    if (this.#error === undefined) this.#done.resolve();
  }
}
