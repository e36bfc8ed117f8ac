/**
 * What a careless caller does to its arguments the moment a call has returned.
 *
 * Owns the walk over everything that can be changed. Must not know the calls.
 *
 * @module
 */
import { DataKey } from "../../src/crypto/keys/data-key.ts";

/** Changes everything that can be changed in a value, however deep: bytes, lists, objects, dates. */
export function spoil(value: unknown): void {
  if (
    typeof value !== "object" ||
    value === null ||
    value instanceof DataKey ||
    value instanceof AbortSignal
  ) {
    return;
  }
  if (value instanceof Uint8Array) {
    value.fill(0x58);
  } else if (value instanceof Date) {
    value.setTime(0);
  } else if (Array.isArray(value)) {
    for (const item of value) spoil(item);
    value.length = 0;
    value.push("spoilt");
  } else {
    const object = value as Record<string, unknown>;
    for (const [name, inner] of Object.entries(object)) {
      spoil(inner);
      // What each property is taken for next decides what would hurt most.
      object[name] = typeof inner === "number" ? 1 : "spoilt";
    }
    object.spoilt = "spoilt";
  }
}
