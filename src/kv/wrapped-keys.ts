/**
 * The verification of a rewrap: what the wrapped keys that a vault stores are under.
 *
 * Owns its shape, and how parts of it add up. Must not know where keys are stored.
 *
 * @module
 */
import type { KekState } from "../keks/kek-service.ts";

/** Wrapped keys of a vault that name one version of a KEK. */
export interface WrappedKeyCount {
  /** The KEK's id. */
  readonly kekId: string;
  readonly version: number;
  /** Of this version. */
  readonly state: KekState;
  /** Stored versions of values whose data key is wrapped under it. */
  readonly kvVersions: number;
  /** Versions of recipients whose private key is. */
  readonly recipientVersions: number;
}

/** What the wrapped keys that a vault stores are under, as their bytes say. */
export interface WrappedKeysReport {
  /** Wrapped keys that were read: data keys of stored versions, and private keys of recipients. */
  readonly checked: number;
  /** Of these, those that a rewrap would still visit: 0 after one that could move all. */
  readonly old: number;
  /** Of these, those that are damaged: their bytes name no KEK version of this environment. */
  readonly unreadable: number;
  /** By KEK id, then version; only those that a wrapped key names. */
  readonly keks: readonly WrappedKeyCount[];
}

/** A report with nothing in it. */
export const NO_WRAPPED_KEYS: WrappedKeysReport = { checked: 0, old: 0, unreadable: 0, keks: [] };

/** The report of two parts. States are those of the second one. */
export function addWrappedKeys(a: WrappedKeysReport, b: WrappedKeysReport): WrappedKeysReport {
  const counts = new Map<string, WrappedKeyCount>();
  for (const count of [...a.keks, ...b.keks]) {
    const name = `${count.kekId} ${count.version}`;
    const before = counts.get(name);
    counts.set(name, {
      ...count,
      kvVersions: count.kvVersions + (before?.kvVersions ?? 0),
      recipientVersions: count.recipientVersions + (before?.recipientVersions ?? 0),
    });
  }
  return {
    checked: a.checked + b.checked,
    old: a.old + b.old,
    unreadable: a.unreadable + b.unreadable,
    keks: [...counts.values()].sort(
      (one, other) =>
        (one.kekId < other.kekId ? -1 : one.kekId > other.kekId ? 1 : 0) || one.version - other.version,
    ),
  };
}
