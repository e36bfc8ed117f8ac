/**
 * A database where something happens between what was read and the first write.
 *
 * Owns that moment. Must not know what is read, nor what happens.
 *
 * @module
 */
import type { Database } from "../../src/vault/storage/database.ts";

/** The same database. @param beforeWrite - runs once, before the first write begins */
export function racingDatabase(database: Database, beforeWrite: () => Promise<void>): Database {
  let isDone = false;
  return {
    erases: database.erases,
    settled: (alias) => database.settled(alias),
    read: (work, options) => database.read(work, options),
    write: async (work, options) => {
      if (!isDone) {
        isDone = true;
        await beforeWrite();
      }
      return database.write(work, options);
    },
    changes: () => database.changes(),
    lookAfresh: () => database.lookAfresh(),
    scrub: () => database.scrub(),
    writable: (options) => database.writable(options),
    close: () => database.close(),
  };
}
