/**
 * What every Database must do, in every implementation.
 *
 * Owns the contract of src/vault/storage/database.ts as tests. A test file calls {@link databaseContract} with a way to
 * make a database. Uses a table of its own and the counters; must not know any implementation.
 *
 * @module
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { isVaultError } from "../../src/errors.ts";
import { type Changes, revisionOf, revocationCounter } from "../../src/vault/storage/changes.ts";
import type { Database, Row, Sql } from "../../src/vault/storage/database.ts";
import { WRITABLE_AGE_MS_MAX } from "../../src/vault/storage/write-probe.ts";
import { rejectionOf } from "../support/errors.ts";
import { eventually } from "../support/vaults.ts";

/** Looks at counters while another raises them. */
const LOOKS = 150;

/** A database to test, empty but for the vault's own tables. */
export interface DatabaseSubject {
  readonly database: Database;
  /** Another connection to the same data; the test closes it. Left out where there can be none. */
  another?(): Promise<Database>;
  /** A database with the same tables that this one may not write to; the test closes it. */
  readOnly(): Promise<Database>;
  close(): Promise<void>;
}

/** Names of the dialect. */
export interface DatabaseDialect {
  readonly text: string;
  readonly bytes: string;
  readonly integer: string;
}

/** Tests a Database. */
export function databaseContract(
  name: string,
  makeSubject: () => Promise<DatabaseSubject>,
  dialect: DatabaseDialect,
  {
    hasOthers = true,
    isServer = false,
  }: {
    readonly hasOthers?: boolean;
    /** Several writes run at once, and what others have changed is noticed a moment later. */
    readonly isServer?: boolean;
  } = {},
): void {
  describe(`Database: ${name}`, () => {
    let subject: DatabaseSubject;
    let database: Database;

    beforeAll(async () => {
      subject = await makeSubject();
      database = subject.database;
      await database.write(async (sql) => {
        await sql.run(
          `CREATE TABLE contract (contract_id ${dialect.integer} PRIMARY KEY, t ${dialect.text}, b ${dialect.bytes}, n ${dialect.integer})`,
        );
      });
    });
    afterAll(() => subject.close());

    /** Not a skip: where there can be no others, there is nothing to test. */
    const testWithOthers = (title: string, body: () => Promise<void>): void => {
      if (hasOthers) test(title, body);
    };

    let ids = 0;
    const put = (sql: Sql, id: number, n = 0): Promise<number> =>
      sql.run("INSERT INTO contract (contract_id, n) VALUES (?, ?)", id, n);
    const has = (id: number, from: Database = database): Promise<boolean> =>
      from.read(
        async (sql) =>
          (await sql.get("SELECT contract_id FROM contract WHERE contract_id = ?", id)) !== undefined,
      );
    const raise = (sql: Sql): Promise<void> => sql.raise("keks", "revocations");

    test("keeps every value as it is", async () => {
      for (const [t, b, n] of [
        ["", new Uint8Array(0), 0],
        ["text", Uint8Array.of(0, 1, 255), 1],
        ["\u{1f511} é e\u0301 \r\n '", new Uint8Array(100_000).fill(7), -1],
        [null, null, null],
        ["x".repeat(100_000), Uint8Array.of(0), Number.MAX_SAFE_INTEGER],
        ["%", Uint8Array.of(39), Number.MIN_SAFE_INTEGER],
      ] as const) {
        const id = ++ids;
        await database.write((sql) => sql.run("INSERT INTO contract VALUES (?, ?, ?, ?)", id, t, b, n));
        const row = await database.read((sql) =>
          sql.get("SELECT t, b, n FROM contract WHERE contract_id = ?", id),
        );
        expect(row!.t).toBe(t);
        expect(row!.b === null ? null : Uint8Array.from(row!.b as Uint8Array)).toEqual(b);
        if (b !== null) expect(row!.b).toBeInstanceOf(Uint8Array);
        expect(row!.n).toBe(n);
      }
    });

    test("what is sent without waiting runs in its order, and fails the transaction where it must have done something else", async () => {
      const insert = "INSERT INTO contract (contract_id, n) VALUES (?, ?) ON CONFLICT DO NOTHING";
      const taken = new RangeError("taken");
      const must = { changed: 1, otherwise: () => taken };
      const [a, b, c] = [++ids, ++ids, ++ids];
      await database.write(async (sql) => {
        await sql.send(insert, [a, 1], must);
        await sql.send("UPDATE contract SET n = n + 1 WHERE contract_id = ?", [a]);
        const row = await sql.get("SELECT n FROM contract WHERE contract_id = ?", a);
        expect(row!.n).toBe(2);
        // With the end.
        await sql.send("UPDATE contract SET n = n * 10 WHERE contract_id = ?", [a], must);
      });
      const row = await database.read((sql) => sql.get("SELECT n FROM contract WHERE contract_id = ?", a));
      expect(row!.n).toBe(20);
      for (const isAsked of [true, false]) {
        const failing = database.write(async (sql) => {
          await sql.send(insert, [b, 1], must);
          await sql.send(insert, [a, 1], must);
          await sql.send(insert, [c, 1], must);
          if (isAsked) await sql.get("SELECT 1 AS one");
        });
        expect(await rejectionOf(() => failing)).toBe(taken);
        expect([await has(b), await has(c)]).toEqual([false, false]);
      }
    });

    test("a read that was to ask one statement and asks more is run again, and sees one state", async () => {
      const id = ++ids;
      await database.write((sql) => put(sql, id, 5));
      const one = "SELECT n FROM contract WHERE contract_id = ?";
      const options = { isSingle: true };
      expect((await database.read((sql) => sql.get(one, id), options))!.n).toBe(5);
      const both = await database.read(
        async (sql) => [(await sql.get(one, id))!.n, (await sql.get(one, id))!.n],
        options,
      );
      expect(both).toEqual([5, 5]);
      const error = new RangeError("of the work");
      expect(
        await rejectionOf(() =>
          database.read(async (sql) => {
            await sql.get(one, id);
            throw error;
          }, options),
        ),
      ).toBe(error);
      expect((await database.read((sql) => sql.get(one, id), options))!.n).toBe(5);
    });

    test("answers rows in order, the first row or none, and how many were changed", async () => {
      const [a, b, c] = [++ids, ++ids, ++ids];
      await database.write(async (sql) => {
        for (const id of [c, a, b]) expect(await put(sql, id, 77)).toBe(1);
        expect(await sql.run("UPDATE contract SET t = ? WHERE n = 77", "x")).toBe(3);
        expect(await sql.run("UPDATE contract SET t = ? WHERE n = 78", "x")).toBe(0);
      });
      await database.read(async (sql) => {
        const rows = await sql.all("SELECT contract_id FROM contract WHERE n = ? ORDER BY contract_id", 77);
        expect(rows.map((row) => row.contract_id)).toEqual([a, b, c]);
        expect(await sql.all("SELECT contract_id FROM contract WHERE n = ?", 78)).toEqual([]);
        expect(await sql.get("SELECT contract_id FROM contract WHERE n = ?", 78)).toBeUndefined();
        expect(
          (await sql.get("SELECT contract_id FROM contract WHERE n = ? ORDER BY contract_id DESC", 77))!
            .contract_id,
        ).toBe(c);
      });
      expect(await database.write((sql) => sql.run("DELETE FROM contract WHERE n = 77"))).toBe(3);
    });

    test("a transaction says when it began: what was committed before, it sees", async () => {
      const before = performance.now();
      const id = ++ids;
      const written = await database.write(async (sql) => {
        await put(sql, id);
        return sql.began;
      });
      const committed = performance.now();
      const read = await database.read(async (sql) => {
        expect(await sql.get("SELECT n FROM contract WHERE contract_id = ?", id)).toBeDefined();
        return sql.began;
      });
      expect([before <= written, written <= committed, committed <= read]).toEqual([true, true, true]);
    });

    test("answers with what the work answers", async () => {
      expect(await database.read(async () => 7)).toBe(7);
      expect(await database.write(async () => undefined)).toBeUndefined();
      const object = {};
      expect(await database.write(async () => object)).toBe(object);
    });

    test("[KEY-18] a write that fails leaves nothing, and fails with its own error", async () => {
      const id = ++ids;
      const reason = new Error("mine");
      await expect(
        database.write(async (sql) => {
          await put(sql, id);
          throw reason;
        }),
      ).rejects.toBe(reason);
      expect(await has(id)).toBe(false);
      await expect(
        database.read(async () => {
          throw reason;
        }),
      ).rejects.toBe(reason);
    });

    test("[KEY-18] a statement that fails is a VaultError, and its write leaves nothing", async () => {
      const [id, other] = [++ids, ++ids];
      await database.write((sql) => put(sql, id));
      const duplicate = await rejectionOf(() =>
        database.write(async (sql) => {
          await put(sql, other);
          await put(sql, id);
        }),
      );
      expect(isVaultError(duplicate)).toBe(true);
      expect(await has(other)).toBe(false);
      expect(isVaultError(await rejectionOf(() => database.read((sql) => sql.all("SELEC 1"))))).toBe(true);
      expect(await has(id)).toBe(true);
    });

    test("[KEY-18] of writes that start together, those that fail take nothing of the others with them", async () => {
      const all = Array.from({ length: 200 }, () => ++ids);
      const results = await Promise.allSettled(
        all.map((id) =>
          database.write(async (sql) => {
            await put(sql, id);
            if (id % 3 === 0) throw new Error(`no ${id}`);
            if (id % 5 === 0) await put(sql, id); // a duplicate
            return id;
          }),
        ),
      );
      for (const [i, result] of results.entries()) {
        const id = all[i]!;
        expect(result.status).toBe(id % 3 === 0 || id % 5 === 0 ? "rejected" : "fulfilled");
        if (result.status === "fulfilled") expect(result.value).toBe(id);
        expect(await has(id)).toBe(result.status === "fulfilled");
      }
    });

    test("writes do not interleave", async () => {
      const id = ++ids;
      await database.write((sql) => put(sql, id, 0));
      const more = subject.another === undefined ? [] : [await subject.another()];
      const add = (to: Database): Promise<void> =>
        to.write(async (sql) => {
          // Where writes do not take turns, those of one row do.
          await sql.run("UPDATE contract SET n = n WHERE contract_id = ?", id);
          const row = await sql.get(`SELECT n FROM contract WHERE contract_id = ?`, id);
          await sql.run("UPDATE contract SET n = ? WHERE contract_id = ?", (row!.n as number) + 1, id);
        });
      const all = [database, ...more];
      await Promise.all(Array.from({ length: 100 }, (_, i) => add(all[i % all.length]!)));
      const row = await database.read((sql) => sql.get("SELECT n FROM contract WHERE contract_id = ?", id));
      expect(row!.n).toBe(100);
      for (const other of more) await other.close();
    });

    testWithOthers(
      "[REV-2] [REV-3] a lock is exclusive to one write, and shared by others, in the order of asking",
      async () => {
        const other = await subject.another!();
        const order: string[] = [];
        const [isFirst, letGo] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
        const first = database.write(
          async () => {
            isFirst.resolve();
            await letGo.promise;
            order.push("first");
          },
          { sharedLocks: [-7n, 2n ** 62n] },
        );
        await isFirst.promise;
        if (isServer) {
          // Others share it meanwhile.
          await other.write(async () => order.push("shares"), { sharedLocks: [-7n] });
        }
        const waits = async (count: number): Promise<void> => {
          if (!isServer) return;
          const waiting = "SELECT count(*) AS n FROM pg_locks WHERE locktype = 'advisory' AND NOT granted";
          await eventually(
            async () => (await other.read((sql) => sql.get(waiting)))!.n === count,
            "a write that waits",
          );
        };
        const exclusive = other.write(async (sql) => {
          await sql.lock(2n ** 62n, -7n);
          order.push("exclusive");
        });
        await waits(1);
        const last = database.write(async () => order.push("last"), { sharedLocks: [-7n] });
        await waits(2);
        const beside = isServer
          ? other.write(async () => order.push("beside"), { sharedLocks: [8n] })
          : undefined;
        await beside;
        letGo.resolve();
        await Promise.all([first, exclusive, last]);
        const shared = order.filter((name) => name !== "exclusive");
        expect(shared).toEqual(isServer ? ["shares", "beside", "first", "last"] : ["first", "last"]);
        if (isServer) expect(order.indexOf("exclusive")).toBe(3);
        await other.close();
      },
    );

    test("a read sees one state from beginning to end", async () => {
      const [a, b] = [++ids, ++ids];
      await database.write(async (sql) => {
        await put(sql, a, 0);
        await put(sql, b, 0);
      });
      const writer = subject.another === undefined ? database : await subject.another();
      let isOver = false;
      const writes = (async () => {
        for (let n = 1; n <= 30; n++) {
          await writer.write(async (sql) => {
            await sql.run("UPDATE contract SET n = ? WHERE contract_id = ?", n, a);
            await sql.run("UPDATE contract SET n = ? WHERE contract_id = ?", n, b);
          });
        }
        isOver = true;
      })();
      while (!isOver) {
        const [x, y] = await database.read(async (sql) => [
          await sql.get("SELECT n FROM contract WHERE contract_id = ?", a),
          await sql.get("SELECT n FROM contract WHERE contract_id = ?", b),
        ]);
        expect(x!.n).toBe(y!.n);
        await new Promise((resolve) => setImmediate(resolve));
      }
      await writes;
      if (writer !== database) await writer.close();
    });

    describe("counters of changes", () => {
      test("[KEY-41] are what was committed, at once", async () => {
        const before = database.changes();
        expect(before).toEqual(database.changes());
        await database.write(raise);
        expect(database.changes()).toEqual({
          ...before,
          keks: before.keks + 1,
          revocations: before.revocations + 1,
          // As an older program does: it is every environment's.
          unattributed: before.unattributed + 1,
        });
      });

      test("[REV-6] [REV-7] tell of each environment's revocations, and give all those that name none", async () => {
        const [one, other] = [`one ${++ids}`, `other ${++ids}`];
        const revisions = (): number[] =>
          [one, other].map((environment) => revisionOf(database.changes(), environment));
        const before = revisions();
        expect(before[0]).toBe(before[1]);
        for (const raised of [1, 2]) {
          await database.write((sql) => sql.raise("keks", "revocations", revocationCounter(one)));
          expect(revisions()).toEqual([before[0]! + raised, before[1]!]);
        }
        await database.write(raise);
        expect(revisions()).toEqual([before[0]! + 3, before[1]! + 1]);
        await database.write((sql) => sql.raise("keks"));
        expect(revisions()).toEqual([before[0]! + 3, before[1]! + 1]);
      });

      test("[KEY-41] are not what a write under way has not committed yet", async () => {
        const before = database.changes();
        // Also where no process has asked since the last commit.
        for (const asks of [true, false]) {
          await database.write(async () => {});
          const { keks } = asks ? database.changes() : { keks: before.keks + 1 };
          await database.write(async (sql) => {
            await raise(sql);
            expect(database.changes().keks).toBe(keks);
          });
        }
        expect(database.changes().keks).toBe(before.keks + 2);
      });

      test("[KEY-41] are not what a write did that failed", async () => {
        const before = database.changes();
        await database.write(async () => {});
        const error = await rejectionOf(() =>
          database.write(async (sql) => {
            await raise(sql);
            expect(database.changes()).toEqual(before);
            throw new Error("no");
          }),
        );
        expect(error.message).toBe("no");
        expect(database.changes()).toEqual(before);
      });

      testWithOthers("[REV-21] are of one moment, however others raise them meanwhile", async () => {
        const other = await subject.another!();
        const apart = ({ keks, revocations, revoked, unattributed }: Changes): number[] => [
          keks - revocations,
          revocations - unattributed - [...revoked.values()].reduce((sum, value) => sum + value, 0),
        ];
        const before = apart(database.changes());
        let isOver = false;
        const raising = (async () => {
          for (let n = 0; !isOver; n++)
            await other.write((sql) =>
              sql.raise("keks", "revocations", revocationCounter(`env ${n % 3} ${ids}`)),
            );
        })();
        for (let look = 0; look < LOOKS; look++) {
          await database.lookAfresh();
          expect(apart(database.changes())).toEqual(before);
          await new Promise((resolve) => setImmediate(resolve));
        }
        isOver = true;
        await raising;
        await other.close();
      });

      testWithOthers("[KEY-41] are raised by other connections, at once", async () => {
        const other = await subject.another!();
        const before = database.changes();
        await other.write(raise);
        if (isServer) await database.lookAfresh();
        expect(database.changes().revocations).toBe(before.revocations + 1);
        await database.write(raise);
        if (isServer) await other.lookAfresh();
        expect(other.changes().revocations).toBe(before.revocations + 2);
        await other.close();
      });
    });

    describe("signals", () => {
      test("[KEY-49] an aborted call does nothing and rejects with the signal's reason", async () => {
        const reason = new Error("changed my mind");
        const signal = AbortSignal.abort(reason);
        const id = ++ids;
        await expect(database.write((sql) => put(sql, id), { signal })).rejects.toBe(reason);
        await expect(database.read(async () => 7, { signal })).rejects.toBe(reason);
        expect(await has(id)).toBe(false);
      });

      // Elsewhere a write that waits for a row has begun; the wait for a connection is that database's own matter.
      const testOfTurns = isServer ? (): void => {} : testWithOthers;
      testOfTurns("[KEY-49] an abort ends the wait for a lock", async () => {
        const other = await subject.another!();
        const [held, waiting] = [++ids, ++ids];
        const isHeld = Promise.withResolvers<void>();
        const letGo = Promise.withResolvers<void>();
        const holder = other.write(async (sql) => {
          await put(sql, held);
          isHeld.resolve();
          await letGo.promise;
        });
        await isHeld.promise;
        const controller = new AbortController();
        const { signal } = controller;
        const calls = [
          database.write((sql) => put(sql, waiting), { signal }),
          database.write((sql) => put(sql, waiting + 1_000_000), { signal }),
        ].map((call) => rejectionOf(() => call));
        const without = database.write((sql) => put(sql, waiting + 2_000_000));
        await new Promise((resolve) => setTimeout(resolve, 30));
        const reason = new Error("changed my mind");
        controller.abort(reason);
        for (const call of calls) expect(await call).toBe(reason);
        letGo.resolve();
        await holder;
        await without;
        expect([await has(held), await has(waiting), await has(waiting + 1_000_000)]).toEqual([
          true,
          false,
          false,
        ]);
        await other.close();
      });

      test("[KEY-49] an abort during the work does not undo it: it is finished and answered", async () => {
        const controller = new AbortController();
        const id = ++ids;
        const done = await database.write(
          async (sql) => {
            await put(sql, id);
            controller.abort();
            return "done";
          },
          { signal: controller.signal },
        );
        expect(done).toBe("done");
        expect(await has(id)).toBe(true);
      });
    });

    testWithOthers("[KEY-18] what was answered is there for every process", async () => {
      const other = await subject.another!();
      const id = ++ids;
      await database.write((sql) => put(sql, id));
      expect(await has(id, other)).toBe(true);
      await other.close();
      expect(await has(id)).toBe(true);
    });

    describe("whether writes are possible", () => {
      test("[KEY-50] they are: asked once or many times at once, and nothing changes", async () => {
        const counters = (): Promise<readonly Row[]> =>
          database.read((sql) => sql.all("SELECT name, value FROM counters ORDER BY name"));
        const before = await counters();
        // Later than a write is believed, so that one is made.
        await new Promise((resolve) => setTimeout(resolve, WRITABLE_AGE_MS_MAX + 10));
        await Promise.all(Array.from({ length: 20 }, () => database.writable()));
        expect(await counters()).toEqual(before);
      });

      test("[KEY-50] an aborted question rejects with the signal's reason", async () => {
        const reason = new Error("changed my mind");
        await expect(database.writable({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
      });

      test("[KEY-50] they are not where nothing can be written", async () => {
        const mine = await subject.readOnly();
        const error = await rejectionOf(() => mine.writable());
        expect(isVaultError(error)).toBe(true);
        expect(["ERR_STORAGE_READ_ONLY", "ERR_STORAGE_UNAVAILABLE"]).toContain(error.code);
        await mine.read(async (sql) => sql.get("SELECT 1 AS one"));
        await mine.close();
      });

      test("[KEY-50] a closed database is ERR_DISPOSED", async () => {
        const mine = (await makeSubject()).database;
        await mine.close();
        expect((await rejectionOf(() => mine.writable())).code).toBe("ERR_DISPOSED");
      });
    });

    test("scrubs, also when there is nothing to scrub", async () => {
      await database.write((sql) => sql.run("DELETE FROM contract WHERE contract_id = ?", -1));
      expect(await database.scrub()).toBe(database.erases);
      expect(await database.scrub()).toBe(database.erases);
    });

    test("[KEY-48] closing waits for what is under way; later calls are ERR_DISPOSED", async () => {
      const mine = (await makeSubject()).database;
      const begun = Promise.withResolvers<void>();
      const slow = mine.write(async (sql) => {
        begun.resolve();
        await new Promise((resolve) => setTimeout(resolve, 20));
        return (await sql.all("SELECT name FROM counters")).length;
      });
      const queued = Array.from({ length: 200 }, () => mine.write(async () => "queued"));
      await begun.promise;
      const closing = mine.close();
      for (const call of [
        () => mine.read(async () => 1),
        () => mine.write(async () => 1),
        async () => mine.changes(),
      ]) {
        await closing;
        expect((await rejectionOf(call)).code).toBe("ERR_DISPOSED");
      }
      expect(await slow).toBeGreaterThan(0);
      expect(await Promise.all(queued)).toEqual(Array.from({ length: 200 }, () => "queued"));
      await mine.close();
    });
  });
}
