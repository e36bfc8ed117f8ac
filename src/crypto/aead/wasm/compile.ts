/**
 * The AES-GCM module of WebAssembly, compiled out of the code.
 *
 * Owns the text that is compiled, and the choice of SIMD. An application that brings the module compiled does not take this
 * along. Must not know what the module does.
 *
 * @module
 */
import type { Bytes } from "../../../base/bytes.ts";
import type { WebAssemblyApi } from "../../../base/runtime.ts";
import { WasmEngine } from "./engine.ts";
import { MODULE_HEX } from "./module.ts";
import { withRelaxedSwizzle } from "./relaxed.ts";

/**
 * Compiles the module and tests it.
 *
 * @param wasm - the runtime's `WebAssembly`
 * @returns undefined where it is absent, forbidden (content security policy, edge runtimes), has no SIMD, or
 *   computes wrongly
 */
export function compileEngine(wasm: WebAssemblyApi | undefined): WasmEngine | undefined {
  if (wasm === undefined) return undefined;
  const plain = moduleBytes();
  for (const isRelaxed of [true, false]) {
    try {
      const bytes = isRelaxed ? withRelaxedSwizzle(plain) : plain;
      if (!wasm.validate(bytes)) continue;
      const engine = WasmEngine.start(wasm, new wasm.Module(bytes), isRelaxed);
      if (engine !== undefined) return engine;
    } catch {
      // Compiling at run time is forbidden, or something in the way it was tested failed: as good as absent.
    }
  }
  return undefined;
}

/** The module. Hexadecimal text takes 40 % less of a compressed download than base64 does: bytes that repeat stay alike. */
function moduleBytes(): Bytes {
  const bytes = new Uint8Array(MODULE_HEX.length / 2);
  // A plain loop: this runs once, before anything is optimised.
  for (let i = 0; i < bytes.length; i++) {
    bytes[i] = (digit(MODULE_HEX.charCodeAt(2 * i)) << 4) | digit(MODULE_HEX.charCodeAt(2 * i + 1));
  }
  return bytes;
}

/** The value of a digit: 0 to 9, a to f. */
const digit = (code: number): number => (code < 0x3a ? code - 0x30 : code - 0x57);
