/**
 * The KekService of a test vault.
 *
 * Owns the calls and what they answer. What may be changed is test-ring.ts's. Must not know data keys.
 *
 * @module
 */

import { VaultError } from "../errors.ts";
import {
  type KekInfo,
  type KekListRequest,
  type KekPage,
  type KekSelector,
  type KekService,
  type KekVersionSelector,
  ownListRequest,
  ownSelector,
  ownShredOptions,
  type ShredOptions,
  type ShredReport,
} from "../keks/kek-service.ts";
import { runCall } from "../keys/calls.ts";
import type { CallOptions, ChangeOptions } from "../keys/key-service.ts";
import type { Faults, TestOperation } from "./faults.ts";
import type { TestObject, TestVersion } from "./test-kv.ts";
import type { TestKek, TestKekVersion, TestRing } from "./test-ring.ts";

/** Contexts and names that a report shows at most, as the embedded vault does. */
const SAMPLE_MAX = 10;

/** KEKs of one test vault. */
export class TestKekService implements KekService {
  readonly takesHeaders = false;
  readonly #ring: TestRing;
  readonly #faults: Faults;
  readonly #objects: readonly TestObject[];
  readonly #now: () => number;

  /** @param objects - of the store, which a shred makes unreadable */
  constructor(ring: TestRing, faults: Faults, objects: readonly TestObject[], now: () => number) {
    this.#ring = ring;
    this.#faults = faults;
    this.#objects = objects;
    this.#now = now;
  }

  list(request: KekListRequest = {}, options: CallOptions = {}): Promise<KekPage> {
    return this.#run(
      "keks.list",
      options,
      () => ownListRequest(request),
      ({ limit, after }) => {
        const sorted = [...this.#ring.keks].sort(byNameAndValue);
        const at = after === undefined ? -1 : sorted.findIndex(({ id }) => id === after);
        if (after !== undefined && at < 0) {
          throw new VaultError("ERR_CURSOR_INVALID", "the cursor is not a KEK of this environment");
        }
        const data = sorted.slice(at + 1, at + 1 + limit).map((kek) => this.#info(kek));
        const hasMore = sorted.length > at + 1 + limit;
        return { data, listMetadata: { after: hasMore ? data.at(-1)!.id : null } };
      },
    );
  }

  get(selector: KekSelector, options: CallOptions = {}): Promise<KekInfo> {
    return this.#run(
      "keks.get",
      options,
      () => ownSelector(selector),
      (own) => this.#info(this.#ring.named(own)),
    );
  }

  rotate(selector: KekSelector, options: ChangeOptions = {}): Promise<KekInfo> {
    return this.#run(
      "keks.rotate",
      options,
      () => ownSelector(selector),
      (own) => {
        const kek = this.#ring.named(own);
        this.#ring.rotate(kek);
        return this.#info(kek);
      },
    );
  }

  disable(selector: KekVersionSelector, options: ChangeOptions = {}): Promise<KekInfo> {
    return this.#run(
      "keks.disable",
      options,
      () => ownSelector(selector),
      (own) => {
        const { kek, versions } = this.#meant(own);
        const pending = versions.find(({ state }) => state === "pending-destroy");
        if (pending !== undefined) {
          throw new VaultError(
            "ERR_KEY_STATE",
            `version ${pending.version} of the KEK ${kek.id} is about to be destroyed`,
          );
        }
        for (const version of versions) version.state = "disabled";
        this.#ring.revocations += 1;
        return this.#info(kek);
      },
    );
  }

  enable(selector: KekVersionSelector, options: ChangeOptions = {}): Promise<KekInfo> {
    return this.#run(
      "keks.enable",
      options,
      () => ownSelector(selector),
      (own) => {
        const { kek, versions } = this.#meant(own);
        for (const version of versions) {
          version.state = version === kek.versions[0] ? "active" : "decrypt-only";
          version.destroyAt = undefined;
        }
        return this.#info(kek);
      },
    );
  }

  shred(selector: KekVersionSelector, options: ShredOptions = {}): Promise<ShredReport> {
    const read = (): { selector: KekVersionSelector; isDryRun: boolean; delayMs: number } => ({
      selector: ownSelector(selector),
      ...ownShredOptions(options),
    });
    return this.#run("keks.shred", options, read, ({ selector: own, isDryRun, delayMs }) => {
      const { kek, versions } = this.#meant(own);
      const report = this.#account(kek, versions);
      if (isDryRun) return { ...report, isDryRun, destroyAt: null };
      const destroyAt = this.#now() + delayMs;
      for (const version of versions) {
        version.state = delayMs === 0 ? "destroyed" : "pending-destroy";
        version.destroyAt = delayMs === 0 ? undefined : destroyAt;
      }
      this.#ring.revocations += 1;
      return { ...report, isDryRun, destroyAt: iso(destroyAt) };
    });
  }

  /** Arguments are read and checked by `read` before the call can fail by plan. */
  #run<A, T>(
    operation: TestOperation,
    options: ChangeOptions,
    read: () => A,
    work: (own: A) => T,
  ): Promise<T> {
    return runCall(options, this, async (call) => {
      const own = read();
      call.signal?.throwIfAborted();
      return this.#faults.run(operation, async () => work(own));
    });
  }

  #meant(own: KekVersionSelector): { kek: TestKek; versions: TestKekVersion[] } {
    const kek = this.#ring.named(own);
    return { kek, versions: this.#ring.meant(kek, own.version) };
  }

  #stored(versions: readonly TestKekVersion[]): TestVersion[] {
    return this.#objects
      .flatMap((object) => object.versions)
      .filter(({ value, under }) => value !== undefined && under.some((one) => versions.includes(one)));
  }

  #account(kek: TestKek, targets: readonly TestKekVersion[]): Omit<ShredReport, "isDryRun" | "destroyAt"> {
    const contexts = [...this.#ring.contexts.values()].filter(({ keks }) => keks.includes(kek));
    const stored = this.#stored(targets);
    const live = this.#objects
      .filter((object) => !object.isDeleted && stored.includes(object.versions[0]!))
      .map(({ name }) => name)
      .sort();
    return {
      kekId: kek.id,
      name: kek.name,
      value: kek.value,
      versions: targets.map(({ version }) => version).reverse(),
      contexts: {
        count: contexts.length,
        sample: contexts.slice(0, SAMPLE_MAX).map(({ context }) => context),
      },
      kvObjects: { count: live.length, sample: live.slice(0, SAMPLE_MAX) },
      kvVersions: stored.length,
      // There is no key material to overwrite, and data keys stay in memory: no call answers them any more.
      erasure: "logical",
      // A test vault has no recipients.
      recipientVersions: 0,
      uncoveredRecipients: { count: 0, sample: [] },
    };
  }

  #info(kek: TestKek): KekInfo {
    return {
      id: kek.id,
      name: kek.name,
      value: kek.value,
      state: kek.versions[0]!.state,
      createdAt: iso(kek.createdAt),
      versions: kek.versions.map((version) => ({
        version: version.version,
        state: version.state,
        createdAt: iso(version.createdAt),
        destroyAt: version.destroyAt === undefined ? null : iso(version.destroyAt),
        kvVersions: this.#stored([version]).length,
      })),
    };
  }
}

const iso = (ms: number): string => new Date(ms).toISOString();

function byNameAndValue(a: TestKek, b: TestKek): number {
  if (a.name !== b.name) return a.name < b.name ? -1 : 1;
  if (a.value === b.value) return 0;
  return a.value < b.value ? -1 : 1;
}
