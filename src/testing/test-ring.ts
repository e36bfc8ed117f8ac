/**
 * The KEKs of a test vault, without key material: their versions and states.
 *
 * Owns what may be used and what may be changed, by the rules of docs/spec/keyring.md section 1. Must not know data keys.
 *
 * @module
 */

import { type CanonicalContext, contextObject, type KeyContext } from "../crypto/keys/key-context.ts";
import { uuidToText } from "../crypto/primitives/uuid.ts";
import { VaultError } from "../errors.ts";
import type { KekSelector, KekState } from "../keks/kek-service.ts";
import type { Seeded } from "./seeded.ts";

/** One version of a KEK. */
export interface TestKekVersion {
  readonly kek: TestKek;
  readonly version: number;
  readonly createdAt: number;
  state: KekState;
  destroyAt: number | undefined;
}

/** A KEK. */
export interface TestKek {
  readonly id: string;
  /** The same, 16 bytes. */
  readonly idBytes: Uint8Array;
  readonly name: string;
  readonly value: string;
  readonly createdAt: number;
  /** The newest first; at least one. */
  readonly versions: TestKekVersion[];
}

/** The KEKs of one test vault. */
export class TestRing {
  /** By context name and value, sorted when they are listed. */
  readonly keks: TestKek[] = [];
  /** Contexts that data keys were made for, by their canonical form. */
  readonly contexts = new Map<string, { readonly context: KeyContext; readonly keks: readonly TestKek[] }>();
  /** Raised whenever KEKs are put out of use. */
  revocations = 0;
  readonly #seeded: Seeded;
  readonly #now: () => number;

  constructor(seeded: Seeded, now: () => number) {
    this.#seeded = seeded;
    this.#now = now;
  }

  /** The newest versions of a context's KEKs, which are made where there are none. @throws as {@link check} */
  newest(context: CanonicalContext): TestKekVersion[] {
    this.#destroyDue();
    const known = context.entries.map(({ name, value }) => this.#find(name, value));
    check(known.flatMap((kek) => kek?.versions[0] ?? []));
    const keks = context.entries.map(({ name, value }, index) => known[index] ?? this.#make(name, value));
    this.contexts.set(String(context.bytes), { context: contextObject(context), keks });
    return keks.map(({ versions }) => versions[0]!);
  }

  /** Lets versions be used to unwrap. @throws VaultError ERR_KEY_DESTROYED, ERR_KEY_DISABLED */
  use(versions: readonly TestKekVersion[]): void {
    this.#destroyDue();
    check(versions);
  }

  /** The KEK that is meant. @throws VaultError ERR_KEY_NOT_FOUND */
  named(selector: KekSelector): TestKek {
    this.#destroyDue();
    const kek =
      "kekId" in selector
        ? this.keks.find(({ id }) => id === selector.kekId)
        : this.#find(selector.name, selector.value);
    if (kek === undefined) {
      throw new VaultError("ERR_KEY_NOT_FOUND", "there is no such KEK in this environment");
    }
    return kek;
  }

  /** The versions that are meant and still exist. @throws VaultError ERR_KEY_NOT_FOUND, ERR_KEY_DESTROYED */
  meant(kek: TestKek, version: number | undefined): TestKekVersion[] {
    const meant = kek.versions.filter((one) => version === undefined || one.version === version);
    if (meant.length === 0) {
      throw new VaultError("ERR_KEY_NOT_FOUND", `the KEK ${kek.id} has no version ${version}`);
    }
    const existing = meant.filter(({ state }) => state !== "destroyed");
    if (existing.length === 0) throw new VaultError("ERR_KEY_DESTROYED", `the KEK ${kek.id} was destroyed`);
    return existing;
  }

  /** The KEK of a context entry, which is made if there is none. */
  made(name: string, value: string): TestKek {
    return this.#find(name, value) ?? this.#make(name, value);
  }

  /** Makes a new version. @throws VaultError ERR_KEY_STATE */
  rotate(kek: TestKek): void {
    const newest = kek.versions[0]!;
    if (newest.state === "disabled" || newest.state === "pending-destroy") {
      throw new VaultError(
        "ERR_KEY_STATE",
        `the KEK ${kek.id} is ${newest.state}: enable it before rotating it`,
      );
    }
    for (const version of kek.versions) if (version.state === "active") version.state = "decrypt-only";
    this.#addVersion(kek, newest.version + 1);
  }

  #find(name: string, value: string): TestKek | undefined {
    return this.keks.find((kek) => kek.name === name && kek.value === value);
  }

  #make(name: string, value: string): TestKek {
    const idBytes = this.#seeded.uuidBytes();
    const kek: TestKek = {
      id: uuidToText(idBytes),
      idBytes,
      name,
      value,
      createdAt: this.#now(),
      versions: [],
    };
    this.#addVersion(kek, 1);
    this.keks.push(kek);
    return kek;
  }

  #addVersion(kek: TestKek, version: number): void {
    kek.versions.unshift({ kek, version, createdAt: this.#now(), state: "active", destroyAt: undefined });
  }

  #destroyDue(): void {
    const now = this.#now();
    for (const version of this.keks.flatMap(({ versions }) => versions)) {
      if (version.state !== "pending-destroy" || version.destroyAt! > now) continue;
      version.state = "destroyed";
      version.destroyAt = undefined;
      this.revocations += 1;
    }
  }
}

/** A destroyed KEK is told before a disabled one. */
function check(versions: readonly TestKekVersion[]): void {
  const destroyed = versions.find(({ state }) => state === "destroyed");
  if (destroyed !== undefined) {
    throw new VaultError("ERR_KEY_DESTROYED", `the KEK ${destroyed.kek.id} was destroyed`);
  }
  const disabled = versions.find(({ state }) => state === "disabled" || state === "pending-destroy");
  if (disabled !== undefined) {
    throw new VaultError("ERR_KEY_DISABLED", `the KEK ${disabled.kek.id} is disabled`);
  }
}
