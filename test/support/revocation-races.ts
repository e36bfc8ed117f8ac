/**
 * Revocations against writers that do not wait for them: what tests and `npm run soak:revocation` have in common.
 *
 * Owns the races and what they count. Must not know where the vault is, nor what is promised of the counts.
 *
 * @module
 */
import type { HostSession } from "../../src/vault/host.ts";

/** Each round has a KEK of its own, so that what is to be rewrapped does not grow with the rounds. */
const kekOf = (label: string) => ({ name: "organization_id", value: label });

/** Writers that store new values, each as fast as it can, until they are told to stop. */
class Writers {
  /** Values that were acknowledged, by their object's id. */
  readonly stored = new Map<string, string>();
  readonly #running: Promise<void>[];
  #isOver = false;
  /** What a write fails with; the writer then ends. */
  readonly errors: unknown[] = [];

  constructor(sessions: readonly HostSession[], writers: number, label: string) {
    this.#running = Array.from({ length: writers }, async (_, writer) => {
      const { kv } = sessions[writer % sessions.length]!;
      for (let n = 0; !this.#isOver; n++) {
        const value = `${label} ${writer} ${n}`;
        try {
          const { id } = await kv.createKv({ name: value, value, keyContext: { organization_id: label } });
          this.stored.set(id, value);
        } catch (error) {
          this.errors.push(error);
          return;
        }
      }
    });
  }

  /** Resolves when so many more values have been stored, or all writers have ended. */
  async more(count: number): Promise<void> {
    const from = this.stored.size;
    const isOver = Promise.all(this.#running).then(() => true);
    while (this.stored.size < from + count) {
      const ended = await Promise.race([
        isOver,
        new Promise<false>((resolve) => setTimeout(() => resolve(false), 2)),
      ]);
      if (ended) return;
    }
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#running);
  }
}

/** What became of a round. */
export interface LostWrites {
  readonly acknowledged: number;
  /** Values that cannot be read although their writes were acknowledged. */
  readonly lost: number;
  /** Writes that failed. */
  readonly errors: readonly unknown[];
}

/**
 * Rotates a KEK, rewraps the store and shreds the old version, while others write; then reads all that was acknowledged.
 *
 * @param sessions - of the servers that write
 * @param admin - of the one that changes the KEK
 */
export async function lostWriteRound(
  sessions: readonly HostSession[],
  admin: HostSession,
  writers: number,
  label: string,
): Promise<LostWrites> {
  const kek = kekOf(label);
  const at = new Writers(sessions, writers, label);
  await at.more(writers);
  const before = await admin.keks.get(kek);
  await admin.keks.rotate(kek);
  await admin.kv.rewrapKv();
  await admin.keks.shred({ ...kek, version: before.versions[0]!.version });
  await at.more(writers);
  await at.stop();
  let lost = 0;
  for (const [id, value] of at.stored) {
    const read = await admin.kv.getKv({ id }).catch(() => undefined);
    if (read?.value !== value) lost += 1;
  }
  return { acknowledged: at.stored.size, lost, errors: at.errors };
}

/** What a revocation met. */
export interface RevocationUnderLoad {
  readonly milliseconds: number;
  /** Writes acknowledged in a second before it. */
  readonly writesPerSecond: number;
  /** Writes that were acknowledged between asking for the revocation and its answer. */
  readonly acknowledgedMeanwhile: number;
  readonly errors: readonly unknown[];
}

/** Disables a KEK that others write under, and enables it again. */
export async function disableUnderLoad(
  sessions: readonly HostSession[],
  admin: HostSession,
  writers: number,
  label: string,
): Promise<RevocationUnderLoad> {
  const kek = kekOf(label);
  const beganAt = performance.now();
  const at = new Writers(sessions, writers, label);
  await at.more(2 * writers);
  const before = at.stored.size;
  const startedAt = performance.now();
  const writesPerSecond = before / ((startedAt - beganAt) / 1_000);
  await admin.keks.disable(kek);
  const milliseconds = performance.now() - startedAt;
  const acknowledgedMeanwhile = at.stored.size - before;
  // They end by themselves: nothing can be written any more.
  await at.more(Number.POSITIVE_INFINITY);
  await admin.keks.enable(kek);
  return { milliseconds, writesPerSecond, acknowledgedMeanwhile, errors: at.errors };
}
