/**
 * Lists of KEKs as tests want them: whole.
 *
 * @module
 */

import type { VaultKeks } from "../../src/facade/keks.ts";
import type { KekInfo, KekSelector } from "../../src/keks/index.ts";

/** All KEKs of a vault's environment, or the one that is named. */
export async function listKeks(
  vault: { readonly keks: VaultKeks },
  selector?: KekSelector,
): Promise<KekInfo[]> {
  if (selector !== undefined) return [await vault.keks.get(selector)];
  const found: KekInfo[] = [];
  for await (const kek of vault.keks.list({ limit: 100 })) found.push(kek);
  return found;
}
