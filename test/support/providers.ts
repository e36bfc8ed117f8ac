/**
 * The four AEAD providers and the two hash providers, by name, for tests that hold them against each other.
 *
 * Owns nothing but these lists.
 *
 * @module
 */

import { type RuntimeName, runtime } from "../../src/base/runtime.ts";
import type { AeadProvider, AeadProviderName, SyncAeadProvider } from "../../src/crypto/aead/aead.ts";
import { AeadProviders } from "../../src/crypto/aead/choose.ts";
import { NOBLE_ROW, nobleProvider } from "../../src/crypto/aead/noble.ts";
import { NODE_ROW, nodeProvider } from "../../src/crypto/aead/node.ts";
import type { Available, ProviderRow } from "../../src/crypto/aead/row.ts";
import { compileEngine } from "../../src/crypto/aead/wasm/compile.ts";
import { WASM_ROW, type WasmProvider, wasmProvider } from "../../src/crypto/aead/wasm.ts";
import { WEBCRYPTO_ROW, webCryptoProvider } from "../../src/crypto/aead/webcrypto.ts";
import { HERE } from "../../src/crypto/ciphers/of-call.ts";
import type { EnvelopeKey } from "../../src/crypto/envelope/fast/envelope-key.ts";
import type { DataKey } from "../../src/crypto/keys/data-key.ts";
import { nobleHash } from "../../src/crypto/primitives/hash-noble.ts";
import { nodeHash } from "../../src/crypto/primitives/hash-node.ts";
import type { HashProvider } from "../../src/crypto/primitives/hash-port.ts";

// The tests run on Node, which has both.
const nodeCrypto = runtime.crypto!;
const subtle = runtime.webcrypto!.subtle;

export const NODE: SyncAeadProvider = nodeProvider(nodeCrypto);
export const WEBCRYPTO: AeadProvider = webCryptoProvider(subtle);
export const WASM: WasmProvider = wasmProvider(compileEngine(runtime.wasm)!);
export const NOBLE: SyncAeadProvider = nobleProvider;

export const AEAD_PROVIDERS: readonly AeadProvider[] = [NODE, WEBCRYPTO, WASM, NOBLE];
export const SYNC_AEAD_PROVIDERS: readonly SyncAeadProvider[] = [NODE, WASM, NOBLE];
export const PROVIDER_NAMES: readonly AeadProviderName[] = ["node", "webcrypto", "wasm", "noble"];
export const SYNC_PROVIDER_NAMES: readonly AeadProviderName[] = ["node", "wasm", "noble"];

export const HASH_PROVIDERS: readonly { readonly name: string; readonly hash: HashProvider }[] = [
  { name: "node", hash: nodeHash(nodeCrypto) },
  { name: "noble", hash: nobleHash },
];

/** The rows of all providers, in their order. */
export const ALL_ROWS: readonly ProviderRow[] = [NODE_ROW, WEBCRYPTO_ROW, WASM_ROW, NOBLE_ROW];

/** All providers, as far as a runtime that is described has them. */
export const providersOf = (available: Available, name?: RuntimeName): AeadProviders =>
  new AeadProviders(ALL_ROWS, available, name);

/** A data key made ready by this runtime's short ways. */
export const envelopeKeyOf = (key: DataKey): EnvelopeKey => HERE.shortWays!.of(key) as EnvelopeKey;
