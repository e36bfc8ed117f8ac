/**
 * The account of a soak: what writers have said, against what a vault answers afterwards.
 *
 * Owns the three counts. **Lost** is what was acknowledged and is not there; **wrong** is what is there and cannot be, or was
 * refused and was done all the same, or an event that does not fit; **unclear** is what nobody was told the end of: it may be
 * done or not, but whole. Must not know how processes end.
 *
 * @module
 */
import type { HostSession, VaultHost } from "../../src/vault/index.ts";
import { type Act, type Line, storedValue } from "./writer.ts";

/** Of a stored name: how many versions were written, and whether it was deleted. */
interface State {
  readonly versions: number;
  readonly isDeleted: boolean;
}

interface Key {
  readonly blob: string;
  readonly key: string;
  shred: "no" | "perhaps" | "yes";
}

/** What the end of an act was. */
type End = "done" | "refused" | "unclear";

const EVENTS_PAGE = 100;
const SHOWN_MAX = 20;

export class Account {
  lost = 0;
  wrong = 0;
  unclear = 0;
  acknowledged = 0;
  refused = 0;
  /** The codes of refusals, and how often. */
  readonly codes = new Map<string, number>();
  readonly #possible = new Map<string, State[]>();
  readonly #keys = new Map<string, Key>();
  #shown = 0;

  /** Takes in all that one process has said until it ended. */
  note(lines: readonly Line[]): void {
    const open = new Map<number, { does: Act; name: string }>();
    for (const line of lines) {
      if ("begins" in line) {
        open.set(line.begins, line);
        continue;
      }
      if ("unopened" in line) {
        this.#refusal(`unopened ${line.unopened}`);
        continue;
      }
      const number = "done" in line ? line.done : line.failed;
      const { does, name } = open.get(number)!;
      open.delete(number);
      if ("done" in line) {
        this.acknowledged += 1;
        if (does === "key") this.#keys.set(name, { blob: line.blob!, key: line.key!, shred: "no" });
        else this.#apply(does, name, "done");
      } else {
        this.#refusal(line.code);
        const isUnclear = line.code === "ERR_OUTCOME_UNKNOWN";
        if (!isUnclear) this.refused += 1;
        this.#apply(does, name, isUnclear ? "unclear" : "refused");
      }
    }
    for (const { does, name } of open.values()) this.#apply(does, name, "unclear");
  }

  #refusal(code: string): void {
    if (code.includes("not a vault's")) this.#complain("wrong", code);
    this.codes.set(code, (this.codes.get(code) ?? 0) + 1);
  }

  #apply(does: Act, name: string, end: End): void {
    if (end === "unclear") this.unclear += 1;
    if (does === "shred") {
      const key = this.#keys.get(name)!;
      if (end !== "refused") key.shred = end === "done" ? "yes" : "perhaps";
    }
    if (does !== "create" && does !== "update" && does !== "delete") return;
    const before = this.#possible.get(name) ?? [{ versions: 0, isDeleted: false }];
    const after = before.map(({ versions, isDeleted }) =>
      does === "delete" ? { versions, isDeleted: true } : { versions: versions + 1, isDeleted },
    );
    if (end === "done") this.#possible.set(name, after);
    else this.#possible.set(name, end === "refused" ? before : [...before, ...after]);
  }

  /** Compares all that was said with what the vault answers. */
  async compare(host: VaultHost, session: HostSession): Promise<void> {
    const events = await eventsByName(host, session.environmentId);
    for (const [name, possible] of this.#possible) await this.#compareName(session, name, possible, events);
    for (const [name, key] of this.#keys) await this.#compareKey(session, name, key);
    let after: string | undefined;
    do {
      const page = await session.keks.list({ limit: 100, ...(after === undefined ? {} : { after }) });
      for (const kek of page.data) {
        const active = kek.versions.filter(({ state }) => state === "active").length;
        if (active > 1) this.#complain("wrong", `the KEK ${kek.id} has ${active} active versions`);
      }
      after = page.listMetadata.after ?? undefined;
    } while (after !== undefined);
  }

  async #compareName(
    session: HostSession,
    name: string,
    possible: readonly State[],
    events: ReadonlyMap<string, Map<string, number>>,
  ): Promise<void> {
    // Events are in the transaction of their change: they tell which state it is, and the value has to agree.
    const counts = events.get(name) ?? new Map<string, number>();
    const created = counts.get("vault.data.created") ?? 0;
    const deleted = counts.get("vault.data.deleted") ?? 0;
    const versions = created + (counts.get("vault.data.updated") ?? 0);
    const isLive = versions > 0 && deleted === 0;
    let value: string | undefined;
    try {
      value = (await session.kv.getName({ name })).value;
    } catch (error) {
      const { code } = error as { code?: string };
      if (code !== "ERR_KV_NOT_FOUND") {
        this.#complain(isLive ? "lost" : "wrong", `${name}: ${code}: ${(error as Error).message}`);
        return;
      }
    }
    if (value !== (isLive ? storedValue(name, versions) : undefined)) {
      const last = Math.max(...possible.map((state) => (state.isDeleted ? 0 : state.versions)));
      const isLost = value === undefined ? last > 0 : false;
      this.#complain(isLost ? "lost" : "wrong", `${name}: the value is not that of its events`);
      return;
    }
    if (created > 1 || deleted > 1) this.#complain("wrong", `${name}: an event twice`);
    const isPossible = possible.some(
      (state) => state.versions === versions && state.isDeleted === (deleted === 1),
    );
    if (isPossible) return;
    const least = Math.min(...possible.map((state) => state.versions));
    this.#complain(
      versions < least ? "lost" : "wrong",
      `${name}: ${versions} versions, ${deleted} deletes; possible: ${JSON.stringify(possible)}`,
    );
  }

  async #compareKey(session: HostSession, name: string, { blob, key, shred }: Key): Promise<void> {
    try {
      const unwrapped = await session.keys.createDecrypt({ keys: blob });
      const isSame = unwrapped.dataKey === key;
      unwrapped.dispose();
      if (!isSame) this.#complain("wrong", `${name}: another data key`);
      if (shred === "yes") this.#complain("lost", `${name}: was shredded, and unwraps`);
    } catch (error) {
      const { code } = error as { code?: string };
      if (code === "ERR_KEY_DESTROYED" && shred !== "no") return;
      this.#complain("lost", `${name}: does not unwrap: ${code}`);
    }
  }

  #complain(count: "lost" | "wrong", what: string): void {
    this[count] += 1;
    if (this.#shown++ < SHOWN_MAX) console.log(`soak: ${count}: ${what}`);
  }

  /** Adds the counts of another vault's account. */
  add(other: Account): void {
    for (const part of ["acknowledged", "refused", "lost", "wrong", "unclear"] as const)
      this[part] += other[part];
    for (const [code, n] of other.codes) this.codes.set(code, (this.codes.get(code) ?? 0) + n);
  }

  /** One line, for people and for the page of evidence. */
  toString(): string {
    return `${this.acknowledged} acknowledged, ${this.refused} refused, ${this.lost} lost, ${this.wrong} wrong, ${this.unclear} unclear`;
  }
}

/** How many events of each kind a stored name has. */
async function eventsByName(
  host: VaultHost,
  environmentId: string,
): Promise<Map<string, Map<string, number>>> {
  const found = new Map<string, Map<string, number>>();
  let after: string | null = null;
  do {
    const page = await host.events.list(environmentId, {
      limit: EVENTS_PAGE,
      ...(after === null ? {} : { after }),
    });
    for (const event of page.data) {
      const { kv_name: name } = event.data as { kv_name?: string };
      if (name === undefined) continue;
      const counts = found.get(name) ?? new Map<string, number>();
      found.set(name, counts.set(event.event, (counts.get(event.event) ?? 0) + 1));
    }
    after = page.after;
  } while (after !== null);
  return found;
}
