/**
 * Which deliveries are begun next: independent per webhook, fair between environments, bounded in all.
 *
 * Owns the count of what is under way and the rule. Must not know storage, nor how a delivery is made.
 *
 * @module
 */
import type { Delivery, OwedWebhook } from "../../vault/events/webhooks.ts";
import { WEBHOOK_CONCURRENCY, WEBHOOK_CONCURRENCY_EACH } from "../limits.ts";

/** Plans one server's deliveries. */
export class DeliveryPlanner {
  readonly #byWebhook = new Map<string, number>();
  readonly #byEnvironment = new Map<string, number>();
  /** Webhooks whose last attempt failed: one delivery at a time finds out whether they work again. */
  readonly #failing = new Set<string>();
  /** Which turn each environment had last, of those that had one lately. */
  #lastTurn = new Map<string, number>();
  #turn = 0;
  #underWay = 0;

  /**
   * How many deliveries of which webhook may begin now.
   *
   * One place at a time goes to the environment that has the fewest, and among equals to the one whose last turn is longest
   * ago. None may have more places than are left free by all: however many deliveries of one environment hang, some are free
   * for the next.
   *
   * @param owed - webhooks for which something is due
   */
  plan(owed: readonly OwedWebhook[]): Map<string, number> {
    const planned = new Map<string, number>();
    const extra = new Map<string, number>();
    const held = (environment: string): number =>
      (this.#byEnvironment.get(environment) ?? 0) + (extra.get(environment) ?? 0);
    const heldBy = (webhook: string): number =>
      (this.#byWebhook.get(webhook) ?? 0) + (planned.get(webhook) ?? 0);
    const mayTake = ({ webhookId }: OwedWebhook): boolean =>
      heldBy(webhookId) < (this.#failing.has(webhookId) ? 1 : WEBHOOK_CONCURRENCY_EACH);

    const environments = new Map<string, OwedWebhook[]>();
    for (const webhook of owed) {
      const known = environments.get(webhook.environmentId);
      if (known === undefined) environments.set(webhook.environmentId, [webhook]);
      else known.push(webhook);
    }
    // Of environments that are owed nothing, nothing is remembered.
    this.#lastTurn = new Map([...this.#lastTurn].filter(([environment]) => environments.has(environment)));

    for (let free = WEBHOOK_CONCURRENCY - this.#underWay; free > 0; free--) {
      let next: string | undefined;
      for (const environment of environments.keys()) {
        if (held(environment) >= free) continue;
        if (next === undefined || this.#isBefore(environment, next, held)) next = environment;
      }
      if (next === undefined) break;
      const webhook = fewest(environments.get(next)!.filter(mayTake), heldBy);
      if (webhook === undefined) {
        environments.delete(next);
        free += 1;
        continue;
      }
      planned.set(webhook.webhookId, (planned.get(webhook.webhookId) ?? 0) + 1);
      extra.set(next, (extra.get(next) ?? 0) + 1);
      this.#turn += 1;
      this.#lastTurn.set(next, this.#turn);
    }
    return planned;
  }

  /** A delivery has begun. */
  began({ webhookId, environmentId }: Delivery): void {
    this.#underWay += 1;
    add(this.#byWebhook, webhookId, 1);
    add(this.#byEnvironment, environmentId, 1);
  }

  /** A delivery has ended. */
  ended({ webhookId, environmentId }: Delivery, hasFailed: boolean): void {
    this.#underWay -= 1;
    add(this.#byWebhook, webhookId, -1);
    add(this.#byEnvironment, environmentId, -1);
    if (hasFailed) this.#failing.add(webhookId);
    else this.#failing.delete(webhookId);
  }

  #isBefore(one: string, other: string, held: (environment: string) => number): boolean {
    const difference = held(one) - held(other);
    if (difference !== 0) return difference < 0;
    return (this.#lastTurn.get(one) ?? 0) < (this.#lastTurn.get(other) ?? 0);
  }
}

/** The one with the fewest under way, and among equals the one that is due longest. */
function fewest(
  webhooks: readonly OwedWebhook[],
  heldBy: (webhook: string) => number,
): OwedWebhook | undefined {
  let best: OwedWebhook | undefined;
  for (const webhook of webhooks) {
    const difference = best === undefined ? -1 : heldBy(webhook.webhookId) - heldBy(best.webhookId);
    if (difference < 0 || (difference === 0 && webhook.dueAt < best!.dueAt)) best = webhook;
  }
  return best;
}

function add(counts: Map<string, number>, name: string, by: number): void {
  const count = (counts.get(name) ?? 0) + by;
  if (count === 0) counts.delete(name);
  else counts.set(name, count);
}
