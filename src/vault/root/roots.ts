/**
 * The roots that a vault's KEKs are wrapped under: one, or two while the root is being rotated.
 *
 * Owns which of them wraps what is new, and which opens what is stored. Must not know where root keys come from.
 *
 * @module
 */
import { equalBytes, isUint8Array } from "../../base/bytes.ts";
import { isVaultError, VaultError } from "../../errors.ts";
import type { Row, Sql, WriteLocks } from "../storage/database.ts";
import { damagedWrap, type KekIdentity, type RootFormName, type RootKeys } from "./root-keys.ts";

/** The rows of `meta` that root keys are known by: the one of now, and the next one while the root is being rotated. */
export const ROOT_CHECK = "root_check";
/** The check of the next root. */
export const ROOT_CHECK_NEXT = "root_check_next";

/**
 * Shared by every write that wraps under the root or seals a record, and taken alone by what changes either: "CFR1root". KEKs'
 * locks are random numbers of 64 bits.
 */
export const ROOT_LOCK = 0x4346_5231_726f_6f74n;

/** For a write that needs no other lock. */
export const WITH_ROOT: WriteLocks = { sharedLocks: [ROOT_LOCK] };

/** The stored checks. */
export interface RootChecks {
  readonly current: Uint8Array;
  readonly next: Uint8Array | undefined;
}

/** The checks among rows of `meta`; undefined where there is none. */
export function checksAmong(rows: readonly Row[]): RootChecks | undefined {
  const value = (name: string): Uint8Array | undefined => {
    const found = rows.find((row) => row.name === name)?.value;
    return isUint8Array(found) ? found : undefined;
  };
  const current = value(ROOT_CHECK);
  return current === undefined ? undefined : { current, next: value(ROOT_CHECK_NEXT) };
}

const SELECT_CHECKS = `SELECT name, value FROM meta WHERE name IN ('${ROOT_CHECK}', '${ROOT_CHECK_NEXT}')`;

/** The checks as they are stored. @throws VaultError ERR_STORAGE_CORRUPT */
export async function storedChecks(sql: Sql): Promise<RootChecks> {
  const checks = checksAmong(await sql.all(SELECT_CHECKS));
  return checks ?? fail(new VaultError("ERR_STORAGE_CORRUPT", "the vault's identity is damaged"));
}

/**
 * Answers the keys of the roots that are there, in all forms; they become the caller's. Of roots that cannot change while the
 * process runs it answers the first time only.
 */
export type FindRoots = () => readonly RootKeys[];

/** The roots of an open vault. */
export class Roots {
  readonly form: RootFormName;
  readonly #find: FindRoots;
  #checks: RootChecks;
  /** The newest first. */
  #known: readonly RootKeys[] = [];

  /** @throws VaultError ERR_ROOT_KEY_WRONG if one of the checks is of a root that is not there */
  constructor(checks: RootChecks, find: FindRoots) {
    this.#find = find;
    this.#checks = checks;
    this.#known = find();
    try {
      const right = this.#rootsOf(checks);
      const { form } = right[0]!;
      this.form = form;
      // One that is not in use yet may be the next root.
      for (const root of this.#known) if (root.form !== form) root.dispose();
      this.#known = [...new Set([...right, ...this.#known])].filter((root) => root.form === form);
    } catch (error) {
      this.dispose();
      throw error;
    }
  }

  /** The stored value that the root of now is known by. */
  get check(): Uint8Array {
    return this.#checks.current;
  }

  /** What new KEKs are wrapped under, as far as is known. */
  get newest(): RootKeys {
    return this.#known[0]!;
  }

  /**
   * @returns the KEK, 32 bytes, the caller's to zero
   * @throws VaultError ERR_STORAGE_CORRUPT if the row was altered
   */
  unwrap(wrapped: Uint8Array, identity: KekIdentity): Uint8Array {
    return this.#first((root) => root.unwrap(wrapped, identity)) ?? fail(damagedWrap(identity.kekId));
  }

  /** The vault key, the caller's to zero; undefined if its row was altered. */
  unwrapVaultKey(wrapped: Uint8Array, purpose: string, version: number): Uint8Array | undefined {
    return this.#first((root) => root.unwrapVaultKey(wrapped, purpose, version));
  }

  /** The stored checks that were seen last: another object once others were seen. */
  get checks(): RootChecks {
    return this.#checks;
  }

  /**
   * Makes sure that this process knows the root of the vault, as the transaction sees it; in a write transaction that shares
   * {@link ROOT_LOCK}, to its end.
   *
   * @returns what is to be wrapped under
   * @throws VaultError ERR_STORAGE_UNAVAILABLE if the vault has another root, or was authenticated, since it was opened
   */
  async current(sql: Sql): Promise<RootKeys> {
    const checks = await storedChecks(sql);
    if (!isSame(checks, this.#checks)) {
      let known: readonly RootKeys[];
      try {
        known = this.#rootsOf(checks);
      } catch (error) {
        if (isVaultError(error, "ERR_ROOT_KEY_WRONG")) throw vaultChanged();
        throw error;
      }
      if (known[0]!.form !== this.form) throw vaultChanged();
      // The others stay until the end: a transaction that sees an older state may need them.
      this.#known = [...new Set([...known, ...this.#known])];
      this.#checks = checks;
    }
    return this.#known[0]!;
  }

  dispose(): void {
    for (const root of this.#known) root.dispose();
  }

  /** What the first root that can answers; before none can, roots that came since are looked for. */
  #first<T>(work: (root: RootKeys) => T | undefined): T | undefined {
    for (const root of this.#known) {
      const answer = work(root);
      if (answer !== undefined) return answer;
    }
    let answer: T | undefined;
    for (const root of this.#find()) {
      const own = answer === undefined && root.form === this.form ? work(root) : undefined;
      if (own === undefined) root.dispose();
      else this.#known = [...this.#known, root];
      answer ??= own;
    }
    return answer;
  }

  /** The roots of some checks, the newest first, of those that are known and those that can be found. */
  #rootsOf({ current, next }: RootChecks): readonly RootKeys[] {
    const found = this.#find();
    const all = [...this.#known, ...found];
    const checks = next === undefined ? [current] : [next, current];
    const wanted = checks.map((check) => all.find((root) => root.isRightRoot(check)));
    for (const root of found) if (!wanted.includes(root)) root.dispose();
    const right = wanted.filter((root) => root !== undefined);
    if (right.length === wanted.length) return right;
    throw new VaultError(
      "ERR_ROOT_KEY_WRONG",
      right.length === 0
        ? "the root key is not the one of this vault"
        : "the root of this vault is being rotated: the root key of before and the next one are both needed",
    );
  }
}

function isSame(one: RootChecks, other: RootChecks): boolean {
  return (
    equalBytes(one.current, other.current) &&
    (one.next === undefined || other.next === undefined
      ? one.next === other.next
      : equalBytes(one.next, other.next))
  );
}

function fail(error: Error): never {
  throw error;
}

/** The vault is not any more what this process has opened. */
export function vaultChanged(): VaultError {
  return new VaultError(
    "ERR_STORAGE_UNAVAILABLE",
    "the vault was authenticated, or its root rotated, since this process opened it: open it again",
  );
}
