/**
 * A test vault: a real `Vault` over services in memory, and the control over them.
 *
 * Owns how the parts are put together, and what a test can make happen. Must not know how a message is encrypted.
 *
 * @module
 */

import { checkOptions, optionNames } from "../base/options.ts";
import { environmentVariable } from "../base/runtime.ts";
import { canonicalContext, type KeyContext } from "../crypto/keys/key-context.ts";
import { invalidRange, invalidType } from "../errors.ts";
import { BEHAVIOUR_OPTIONS, type VaultBehaviour, type VaultPorts } from "../facade/options.ts";
import { Vault } from "../facade/vault.ts";
import type { CallOptions } from "../keys/key-service.ts";
import type { Lease } from "../keys/lease.ts";
import type { LeaseOptions } from "../keys/leased-key.ts";
import { LEASE_AGE_MS_MAX } from "../keys/limits.ts";
import type { KvActor } from "../kv/kv-service.ts";
import {
  FAULT_OPTIONS,
  type FaultOptions,
  Faults,
  THROTTLE_OPTIONS,
  type ThrottleOptions,
} from "./faults.ts";
import { Seeded } from "./seeded.ts";
import { TestKekService } from "./test-keks.ts";
import { TestKeyService } from "./test-keys.ts";
import { TestKvService, type TestObject } from "./test-kv.ts";
import { TestRing } from "./test-ring.ts";

/** How a test vault is made. */
export interface TestVaultOptions extends VaultBehaviour {
  /** Decides ids and which calls fail, never keys or nonces; default `"coffer"`. */
  readonly seed?: string | undefined;
  /** Who writes to the store; default `{ id: "test", name: "test" }`. */
  readonly actor?: KvActor | undefined;
  /** The clock, in milliseconds; default `Date.now`, also a faked one. */
  readonly now?: (() => number) | undefined;
  /** Told that a test vault is made where NODE_ENV is "production"; default `console.warn`. */
  readonly onNotice?: ((notice: string) => void) | undefined;
}

const TEST_VAULT_OPTIONS = /* @__PURE__ */ optionNames<Omit<TestVaultOptions, keyof VaultBehaviour>>(
  { seed: true, actor: true, now: true, onNotice: true },
  BEHAVIOUR_OPTIONS,
);

const ACTOR_DEFAULT: KvActor = { id: "test", name: "test" };

/** What a test can make happen to its vault. */
export interface TestControl {
  /** Lets the next calls be refused: ERR_SERVICE_RATE_LIMITED, status 429. @throws TypeError or RangeError ERR_INVALID_ARGUMENT */
  throttle(options?: ThrottleOptions): void;
  /**
   * Lets the next calls end without an answer, and nothing done: ERR_SERVICE_TIMEOUT, or ERR_OUTCOME_UNKNOWN of a change of the
   * store or a KEK. @throws TypeError or RangeError ERR_INVALID_ARGUMENT
   */
  timeOut(options?: FaultOptions): void;
  /** Lets the next calls be done and their answers be lost; the errors are those of {@link timeOut}. @throws as that */
  loseAnswer(options?: FaultOptions): void;
  /** Calls that are still to fail. */
  readonly faultsLeft: number;
  /** Takes all planned faults back. */
  clearFaults(): void;
  /**
   * Revokes the KEKs of a context, past all faults; those that are not there yet are made. `"disable"` (default) can be taken back
   * by `vault.keks.enable`; `"shred"` is for good. @throws VaultError ERR_KEY_CONTEXT_INVALID, ERR_KEY_DESTROYED
   */
  revoke(context: KeyContext, how?: "disable" | "shred"): Promise<void>;
  /** Lets every lease that there is be too old: its next use is ERR_LEASE_EXPIRED. Keys in the decrypt cache go, too. */
  expireLeases(): void;
}

/** A test vault: a `Vault` with control over what stands behind it. */
export interface TestVault extends Vault {
  readonly control: TestControl;
}

/** The vault itself: each lease has a clock that is far ahead as soon as the lease must end. */
class ControlledVault extends Vault implements TestVault {
  readonly control: TestControl;
  readonly #now: () => number;
  readonly #expiries: () => number;
  readonly #keyService: TestKeyService;

  constructor(
    ports: VaultPorts & { readonly keys: TestKeyService },
    control: TestControl,
    now: () => number,
    expiries: () => number,
  ) {
    super(ports);
    this.control = control;
    this.#now = now;
    this.#expiries = expiries;
    this.#keyService = ports.keys;
  }

  override lease(context: KeyContext, options: LeaseOptions & CallOptions = {}): Promise<Lease> {
    return this.#lease(context, options);
  }

  async #lease(context: KeyContext, options: LeaseOptions & CallOptions): Promise<Lease> {
    // No options object: what is wrong with it is told by the vault.
    if (typeof options !== "object" || options === null) return super.lease(context, options);
    const before = this.#expiries();
    const own = options.now ?? this.#now;
    let lease: Lease | undefined;
    // The lease refuses at its very next use, where a real one looks no more often than every 100 ms.
    const isOver = (): boolean =>
      this.#expiries() !== before || (lease !== undefined && !this.#keyService.isGood(lease.keyId));
    const now = (): number => own() + (isOver() ? LEASE_AGE_MS_MAX : 0);
    lease = await super.lease(context, { ...options, now });
    return lease;
  }
}

/**
 * Makes a vault for tests: a real `Vault`, with real encryption, over a key service and a store in memory. It opens no file and sends
 * no request, and what it encrypts no other vault opens.
 *
 * @param options.seed - decides ids and which calls fail, never keys or nonces
 * @returns the vault, with `control` over its faults
 * @throws TypeError or RangeError ERR_INVALID_ARGUMENT
 */
export function createTestVault(options: TestVaultOptions = {}): TestVault {
  checkOptions(options, TEST_VAULT_OPTIONS, "createTestVault");
  const { seed = "coffer", actor = ACTOR_DEFAULT, now: givenNow, onNotice = warn, ...behaviour } = options;
  if (typeof seed !== "string") throw invalidType("seed must be text");
  if (givenNow !== undefined && typeof givenNow !== "function") throw invalidType("now must be a function");
  if (typeof onNotice !== "function") throw invalidType("onNotice must be a function");
  if (typeof actor?.id !== "string" || typeof actor.name !== "string") {
    throw invalidType("actor must be an object with the texts id and name");
  }
  const now = givenNow ?? ((): number => Date.now());
  if (environmentVariable("NODE_ENV") === "production") {
    onNotice("coffer/testing: a test vault keeps keys and values in memory only, and this is production");
  }
  const seeded = new Seeded(seed);
  const faults = new Faults(new Seeded(`faults of ${seed}`));
  const ring = new TestRing(seeded, now);
  const objects: TestObject[] = [];
  const keys = new TestKeyService(ring, faults, seeded);
  const kv = new TestKvService({
    ring,
    faults,
    seeded,
    objects,
    actor: { id: actor.id, name: actor.name },
    now,
  });
  const keks = new TestKekService(ring, faults, objects, now);
  const unfailing = new TestKekService(ring, new Faults(seeded), objects, now);
  let expiries = 0;
  const control: TestControl = {
    throttle(given = {}) {
      checkOptions(given, THROTTLE_OPTIONS, "throttle");
      faults.throttle(given);
    },
    timeOut(given = {}) {
      checkOptions(given, FAULT_OPTIONS, "timeOut");
      faults.timeOut(given);
    },
    loseAnswer(given = {}) {
      checkOptions(given, FAULT_OPTIONS, "loseAnswer");
      faults.loseAnswer(given);
    },
    get faultsLeft() {
      return faults.left;
    },
    clearFaults: () => faults.clear(),
    async revoke(context, how = "disable") {
      if (how !== "disable" && how !== "shred") throw invalidRange('how must be "disable" or "shred"');
      for (const { name, value } of canonicalContext(context).entries) {
        ring.made(name, value);
        await unfailing[how]({ name, value });
      }
    },
    expireLeases() {
      expiries += 1;
      keys.letGo();
    },
  };
  return new ControlledVault({ ...behaviour, keys, kv, keks }, control, now, () => expiries);
}

function warn(notice: string): void {
  // biome-ignore lint/suspicious/noConsole: where a runtime has no warnings of its own, this is where people look
  console.warn(notice);
}
