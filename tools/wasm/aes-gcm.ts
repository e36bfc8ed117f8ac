/**
 * The AES-256-GCM module: AES by vector permutes, GHASH by nibble tables that are shuffled through registers.
 *
 * Owns the order of its parts (FIPS 197, NIST SP 800-38D), which are instructions for the assembler beside this file. No
 * branch and no address in it depends on a key or a message: docs/wasm-aead.md goes through it part by part. What decides
 * branches and addresses are lengths, slots and pointers. Must not know JavaScript's side.
 *
 * @module
 */
import * as layout from "../../src/crypto/aead/wasm/layout.ts";
import { i8x16, ModuleBuilder } from "./assembler.ts";
import { buildBatch } from "./batch.ts";
import { buildCipher } from "./cipher.ts";
import { buildGhash } from "./ghash.ts";
import { buildKey } from "./key.ts";
import { buildMessages } from "./messages.ts";
import type { Swizzle } from "./vectors.ts";

/**
 * Builds the module.
 *
 * @param swizzle - SIMD's, or relaxed SIMD's. Every index is a nibble, or has its top bit set and means zero: there
 *   the two agree.
 */
export function buildModule(swizzle: Swizzle = i8x16.swizzle): Uint8Array {
  const module = new ModuleBuilder(layout.MEMORY_PAGES);
  const cipher = buildCipher(module, swizzle);
  const ghash = buildGhash(module, swizzle);
  buildKey(module, swizzle, cipher, ghash);
  buildMessages(module, swizzle, cipher, ghash);
  buildBatch(module, swizzle, ghash);
  return module.encode();
}
