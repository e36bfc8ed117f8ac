/**
 * KEKs on the wire: JSON bodies of `/coffer/v1/keks` to objects of the KekService port, and back
 * (docs/spec/key-service-api.md section 3).
 *
 * Owns the names and shapes on both sides. Reading checks every field before it is used. Must not know HTTP.
 *
 * @module
 */
import type {
  Erasure,
  KekInfo,
  KekPage,
  KekSelector,
  KekState,
  KekVersionSelector,
  ShredReport,
} from "../keks/kek-service.ts";
import type { WrappedKeysReport } from "../kv/wrapped-keys.ts";
import {
  badResponse,
  contextOf,
  listOf,
  listPageOf,
  numberOf,
  objectOf,
  oneOf,
  textOf,
  type Wire,
} from "./bodies.ts";

const STATES: readonly KekState[] = ["active", "decrypt-only", "disabled", "pending-destroy", "destroyed"];

/** What names a KEK, in a body or a query. */
export function selectorToWire(
  selector: KekVersionSelector,
): Readonly<Record<string, string | number | undefined>> {
  const { version } = selector;
  return "kekId" in selector
    ? { kek_id: selector.kekId, version }
    : { name: selector.name, value: selector.value, version };
}

/** The same from a body or a query; undefined if it names none. */
export function selectorFromWire(wire: {
  readonly kek_id?: string | undefined;
  readonly name?: string | undefined;
  readonly value?: string | undefined;
}): KekSelector | undefined {
  const { kek_id, name, value } = wire;
  if (kek_id !== undefined) return { kekId: kek_id };
  return name === undefined || value === undefined ? undefined : { name, value };
}

/** A KEK as it is answered. */
export function kekToWire(kek: KekInfo): Wire {
  return {
    id: kek.id,
    name: kek.name,
    value: kek.value,
    state: kek.state,
    created_at: kek.createdAt,
    versions: kek.versions.map((version) => ({
      version: version.version,
      state: version.state,
      created_at: version.createdAt,
      destroy_at: version.destroyAt,
      kv_versions: version.kvVersions,
    })),
  };
}

/** A KEK of an answer. @throws VaultError ERR_SERVICE_BAD_RESPONSE */
export function kekFromWire(body: unknown): KekInfo {
  const wire = objectOf(body, "KEK");
  const versions = listOf(wire.versions, "versions");
  if (versions.length === 0) throw badResponse("versions is empty");
  return {
    id: textOf(wire.id, "id"),
    name: textOf(wire.name, "name"),
    value: textOf(wire.value, "value"),
    state: stateOf(wire.state),
    createdAt: textOf(wire.created_at, "created_at"),
    versions: versions.map((entry) => {
      const version = objectOf(entry, "version");
      return {
        version: numberOf(version.version, "version"),
        state: stateOf(version.state),
        createdAt: textOf(version.created_at, "created_at"),
        destroyAt: version.destroy_at === null ? null : textOf(version.destroy_at, "destroy_at"),
        kvVersions: numberOf(version.kv_versions, "kv_versions"),
      };
    }),
  };
}

/** A page as it is answered. */
export function kekPageToWire(page: KekPage): Wire {
  return { data: page.data.map(kekToWire), list_metadata: { after: page.listMetadata.after } };
}

/** A page of an answer. @throws VaultError ERR_SERVICE_BAD_RESPONSE */
export function kekPageFromWire(body: unknown): KekPage {
  return listPageOf(body, "list", kekFromWire);
}

/** A report as it is answered. */
export function shredToWire(report: ShredReport): Wire {
  return {
    kek_id: report.kekId,
    name: report.name,
    value: report.value,
    versions: report.versions,
    is_dry_run: report.isDryRun,
    destroy_at: report.destroyAt,
    erasure: report.erasure,
    contexts: report.contexts,
    kv_objects: report.kvObjects,
    kv_versions: report.kvVersions,
    recipient_versions: report.recipientVersions,
    uncovered_recipients: report.uncoveredRecipients,
  };
}

/** A report of an answer. @throws VaultError ERR_SERVICE_BAD_RESPONSE */
export function shredFromWire(body: unknown): ShredReport {
  const wire = objectOf(body, "report");
  const contexts = objectOf(wire.contexts, "contexts");
  const objects = objectOf(wire.kv_objects, "kv_objects");
  return {
    kekId: textOf(wire.kek_id, "kek_id"),
    name: textOf(wire.name, "name"),
    value: textOf(wire.value, "value"),
    versions: listOf(wire.versions, "versions").map((version) => numberOf(version, "version")),
    isDryRun: wire.is_dry_run === true,
    destroyAt: wire.destroy_at === null ? null : textOf(wire.destroy_at, "destroy_at"),
    erasure: erasureOf(wire.erasure),
    contexts: {
      count: numberOf(contexts.count, "count"),
      sample: listOf(contexts.sample, "sample").map(contextOf),
    },
    kvObjects: {
      count: numberOf(objects.count, "count"),
      sample: listOf(objects.sample, "sample").map((name) => textOf(name, "name")),
    },
    kvVersions: numberOf(wire.kv_versions, "kv_versions"),
    // Servers without recipients do not say so.
    recipientVersions: numberOf(wire.recipient_versions ?? 0, "recipient_versions"),
    uncoveredRecipients: uncoveredOf(wire.uncovered_recipients),
  };
}

/** [SDK-45]: servers without environment-wide recipients do not say so. */
function uncoveredOf(value: unknown = { count: 0, sample: [] }): ShredReport["uncoveredRecipients"] {
  const wire = objectOf(value, "uncovered_recipients");
  return {
    count: numberOf(wire.count, "count"),
    sample: listOf(wire.sample, "sample").map((id) => textOf(id, "id")),
  };
}

/** [REV-20]: older servers do not say so. */
function erasureOf(value: unknown = "logical"): Erasure {
  return oneOf(value, ["physical", "logical"], "erasure");
}

/** A report on wrapped keys, or a part of one, as it is answered. */
export function wrappedKeysToWire({ checked, old, unreadable, keks }: WrappedKeysReport): Wire {
  return {
    checked,
    old,
    unreadable,
    keks: keks.map((count) => ({
      kek_id: count.kekId,
      version: count.version,
      state: count.state,
      kv_versions: count.kvVersions,
      recipient_versions: count.recipientVersions,
    })),
  };
}

/** A report on wrapped keys of an answer. @throws VaultError ERR_SERVICE_BAD_RESPONSE */
export function wrappedKeysFromWire(body: Wire): WrappedKeysReport {
  return {
    checked: numberOf(body.checked, "checked"),
    old: numberOf(body.old, "old"),
    unreadable: numberOf(body.unreadable, "unreadable"),
    keks: listOf(body.keks, "keks").map((entry) => {
      const count = objectOf(entry, "count");
      return {
        kekId: textOf(count.kek_id, "kek_id"),
        version: numberOf(count.version, "version"),
        state: stateOf(count.state),
        kvVersions: numberOf(count.kv_versions, "kv_versions"),
        recipientVersions: numberOf(count.recipient_versions, "recipient_versions"),
      };
    }),
  };
}

function stateOf(value: unknown): KekState {
  return oneOf(textOf(value, "state"), STATES, "state");
}
