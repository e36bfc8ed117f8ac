/**
 * A vault behind a coffer server: what the facade offers, and KEKs by /coffer/v1.
 *
 * Owns the requests and answers about KEKs. Must not know commands.
 *
 * @module
 */
import { VaultError } from "../errors.ts";
import { Vault } from "../facade/vault.ts";
import { HttpKeyService } from "../http/http-key-service.ts";
import { HttpKvService } from "../http/http-kv-service.ts";
import type { Transport } from "../http/transport.ts";
import type { CallOptions } from "../keys/key-service.ts";
import type {
  KekInfo,
  KekSelector,
  KekState,
  KekVersionSelector,
  RewrapReport,
  ShredOptions,
  ShredReport,
} from "../vault/index.ts";
import { badResponse, contextOf, objectOf, textOf, type Wire } from "../wire/bodies.ts";

const KEK_CODES = { 404: "ERR_KEY_NOT_FOUND" } as const;

export class RemoteVault extends Vault {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    super({ keys: new HttpKeyService(transport), kv: new HttpKvService(transport) });
    this.#transport = transport;
  }

  async listKeks(selector?: KekSelector): Promise<KekInfo[]> {
    const keks: KekInfo[] = [];
    const named = selector === undefined ? {} : selectorToWire(selector);
    for (let after: unknown; ; ) {
      const body = await this.#transport.send({
        method: "GET",
        path: ["coffer", "v1", "keks"],
        query: { limit: 100, after: after === undefined ? undefined : textOf(after, "after"), ...named },
        codes: KEK_CODES,
      });
      const list = objectOf(body, "list");
      keks.push(...listOf(list.data, "data").map(kekFromWire));
      // A server of before answers with all at once, and knows no selector.
      const page = list.list_metadata === undefined ? {} : objectOf(list.list_metadata, "list_metadata");
      if (page.after === null || page.after === undefined) break;
      after = page.after;
    }
    if (selector === undefined) return keks;
    const found = keks.filter((kek) =>
      "kekId" in selector
        ? kek.id === selector.kekId
        : kek.name === selector.name && kek.value === selector.value,
    );
    if (found.length === 0)
      throw new VaultError("ERR_KEY_NOT_FOUND", "there is no such KEK in this environment");
    return found;
  }

  rotateKek(selector: KekSelector): Promise<KekInfo> {
    return this.#kek("rotate", selector);
  }

  disableKek(selector: KekVersionSelector): Promise<KekInfo> {
    return this.#kek("disable", selector);
  }

  enableKek(selector: KekVersionSelector): Promise<KekInfo> {
    return this.#kek("enable", selector);
  }

  async shredKek(selector: KekVersionSelector, options: ShredOptions = {}): Promise<ShredReport> {
    const wire = objectOf(
      await this.#transport.send({
        method: "POST",
        path: ["coffer", "v1", "keks", "shred"],
        body: { ...selectorToWire(selector), dry_run: options.dryRun, delay_ms: options.delayMs },
        codes: KEK_CODES,
      }),
      "report",
    );
    const contexts = objectOf(wire.contexts, "contexts");
    const objects = objectOf(wire.kv_objects, "kv_objects");
    return {
      kekId: textOf(wire.kek_id, "kek_id"),
      name: textOf(wire.name, "name"),
      value: textOf(wire.value, "value"),
      versions: listOf(wire.versions, "versions").map((version) => numberOf(version, "version")),
      isDryRun: wire.is_dry_run === true,
      destroyAt: wire.destroy_at === null ? null : textOf(wire.destroy_at, "destroy_at"),
      contexts: {
        count: numberOf(contexts.count, "count"),
        sample: listOf(contexts.sample, "sample").map(contextOf),
      },
      kvObjects: {
        count: numberOf(objects.count, "count"),
        sample: listOf(objects.sample, "sample").map((name) => textOf(name, "name")),
      },
      kvVersions: numberOf(wire.kv_versions, "kv_versions"),
    };
  }

  async rewrapKv(
    options: CallOptions & { readonly onProgress?: ((done: number, total: number) => void) | undefined } = {},
  ): Promise<RewrapReport> {
    const report = { checked: 0, rewrapped: 0, skipped: 0 };
    let total = 0;
    for (let after: unknown; ; ) {
      const wire = objectOf(
        await this.#transport.send({
          method: "POST",
          path: ["coffer", "v1", "keks", "rewrap-kv"],
          query: { after: after === undefined ? undefined : textOf(after, "after") },
          signal: options.signal,
        }),
        "report",
      );
      report.checked += numberOf(wire.checked, "checked");
      report.rewrapped += numberOf(wire.rewrapped, "rewrapped");
      report.skipped += numberOf(wire.skipped, "skipped");
      if (typeof wire.total === "number") total = wire.total;
      options.onProgress?.(report.checked, Math.max(total, report.checked));
      // A server of before answers once for all.
      if (wire.after === null || wire.after === undefined) return report;
      after = wire.after;
    }
  }

  async close(): Promise<void> {
    this.dispose();
  }

  async #kek(verb: string, selector: KekVersionSelector): Promise<KekInfo> {
    const body = await this.#transport.send({
      method: "POST",
      path: ["coffer", "v1", "keks", verb],
      body: selectorToWire(selector),
      codes: KEK_CODES,
    });
    return kekFromWire(body);
  }
}

function selectorToWire(selector: KekVersionSelector): Wire {
  const { version } = selector;
  return "kekId" in selector
    ? { kek_id: selector.kekId, version }
    : { name: selector.name, value: selector.value, version };
}

function kekFromWire(body: unknown): KekInfo {
  const wire = objectOf(body, "KEK");
  return {
    id: textOf(wire.id, "id"),
    name: textOf(wire.name, "name"),
    value: textOf(wire.value, "value"),
    state: textOf(wire.state, "state") as KekState,
    createdAt: textOf(wire.created_at, "created_at"),
    versions: listOf(wire.versions, "versions").map((entry) => {
      const version = objectOf(entry, "version");
      return {
        version: numberOf(version.version, "version"),
        state: textOf(version.state, "state") as KekState,
        createdAt: textOf(version.created_at, "created_at"),
        destroyAt: version.destroy_at === null ? null : textOf(version.destroy_at, "destroy_at"),
        kvVersions: numberOf(version.kv_versions, "kv_versions"),
      };
    }),
  };
}

function listOf(value: unknown, what: string): readonly unknown[] {
  if (!Array.isArray(value)) throw badResponse(`${what} is not a list`);
  return value;
}

function numberOf(value: unknown, what: string): number {
  if (typeof value !== "number") throw badResponse(`${what} is not a number`);
  return value;
}
