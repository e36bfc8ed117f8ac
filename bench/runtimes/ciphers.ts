/**
 * What is passed as `sync`: every provider that coffer has, where applications would pass one.
 *
 * Owns that list. On Node, Bun and Deno all of them are built in. Portable.
 *
 * @module
 */

import { NOBLE_ROW } from "../../src/crypto/aead/noble.ts";
import { NODE_ROW } from "../../src/crypto/aead/node.ts";
import type { ProviderRow } from "../../src/crypto/aead/row.ts";
import { type Ciphers, ciphersWith } from "../../src/crypto/ciphers/ciphers.ts";
import { HERE } from "../../src/crypto/ciphers/of-call.ts";
import { makeFastWays } from "../../src/crypto/envelope/fast/fast-ways.ts";
import { hash } from "../../src/crypto/primitives/hash.ts";

/** @param wasm - the module, to be compiled or compiled ahead of time */
export const withAll = (wasm: ProviderRow): Ciphers =>
  ciphersWith(HERE, [NODE_ROW, wasm, NOBLE_ROW], { hash, makeShortWays: makeFastWays });
