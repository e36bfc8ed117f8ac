/**
 * A row of the list of providers: how one starts, and when it serves.
 *
 * Owns the shape. The rows stand in their providers' files. Must not know which there are.
 *
 * @module
 */
import type { Runtime, RuntimeName } from "../../base/runtime.ts";
import type { AeadProvider, AeadProviderName } from "./aead.ts";

/** What a runtime offers to providers. */
export type Available = Pick<Runtime, "crypto" | "webcrypto"> & Partial<Pick<Runtime, "wasm">>;

/** One provider: how it starts, and when it serves. */
export interface ProviderRow {
  readonly name: AeadProviderName;
  /** The provider; undefined where the runtime lacks what it needs. Called once, when it is first needed. */
  start(available: Available): AeadProvider | undefined;
  /** Why it serves no synchronous call; absent if it does. */
  readonly refusal?: string;
  /** Bytes of the largest message for which it goes before all others, on calls that tell the size. */
  readonly smallBytesMax?: Readonly<Record<RuntimeName, number>>;
  /** Bytes of the smallest message for which it goes before all others, where the call can wait. */
  readonly waitingBytesMin?: Partial<Readonly<Record<RuntimeName, number>>>;
}
