/**
 * A data key in the WebAssembly module, with the text coders over its memory.
 *
 * Owns the shape that the ways through that memory share. Must not know envelopes.
 *
 * @module
 */
import type { TextMemory } from "../../../base/text-memory.ts";
import type { WasmKey, WasmProvider } from "../../aead/wasm.ts";

/** A data key in the WebAssembly module. */
export interface ModuleKey {
  readonly provider: WasmProvider;
  readonly key: WasmKey;
  readonly texts: TextMemory;
}
