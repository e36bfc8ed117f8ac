/**
 * What is compared in every runtime: coffer by each provider, beside the runtime's own cryptography without coffer.
 *
 * Owns the competitors of runtimes. Portable: no `node:` import, so that one bundle runs everywhere; what a runtime
 * offers is looked up. Must not know the runner or the clock.
 *
 * @module
 */

import type { ItemResult } from "../../src/base/item-result.ts";
import { runtime } from "../../src/base/runtime.ts";
import type { Ciphers } from "../../src/crypto/ciphers/ciphers.ts";
import {
  DataKey,
  localDecrypt,
  localDecryptSync,
  localEncrypt,
  localEncryptSync,
} from "../../src/crypto/index.ts";
import { Lease } from "../../src/keys/lease.ts";
import { LEASE_BYTES_MAX, LEASE_MESSAGES_MAX } from "../../src/keys/limits.ts";
import { ByHand, takeApart } from "../lib/by-hand.ts";
import type { Material } from "./protocol.ts";
import { sealedWays } from "./sealed-ways.ts";
import { bytesOfBase64, WebCryptoByHand } from "./webcrypto-by-hand.ts";

/** One way to do both works; calls take texts or ciphertexts in turn. */
export interface Way {
  readonly name: string;
  readonly isAsync: boolean;
  readonly seal: (index: number) => unknown;
  readonly open: (index: number) => unknown;
  /** Whether it makes and reads whole envelopes; else it answers bytes, and is a floor only. */
  readonly isWhole: boolean;
}

type Provider = "node" | "wasm" | "noble" | "webcrypto";

/** The baseline comes first. */
export async function waysOf(material: Material, ciphers: Ciphers): Promise<Way[]> {
  if (material.set === "sealed") return sealedWays(material, ciphers);
  const kit = new Kit(material, ciphers);
  if (material.set === "batch") return kit.batch();
  if (material.set === "crossover") return kit.crossover();
  return [...(await kit.bare()), ...kit.coffer()];
}

class Kit {
  readonly #material: Material;
  readonly #at: number;
  readonly #key: DataKey;
  readonly #ciphers: Ciphers;

  constructor(material: Material, ciphers: Ciphers) {
    this.#ciphers = ciphers;
    const { texts, dataKey, encryptedKeys } = material;
    this.#material = material;
    // A mask: the number of texts is a power of 2, or else they are taken once each.
    this.#at = 2 ** Math.ceil(Math.log2(texts.length)) - 1;
    this.#key = new DataKey({ id: "bench", key: bytesOfBase64(dataKey), encryptedKeys });
  }

  /** The runtime's own: `node:crypto` where it is fast to reach, else Web Crypto. */
  async bare(): Promise<Way[]> {
    const { texts, ciphertexts, dataKey, encryptedKeys } = this.#material;
    const at = this.#at;
    if (runtime.crypto?.createCipheriv !== undefined) {
      const hand = new ByHand(
        runtime.crypto,
        bytesOfBase64(dataKey),
        Buffer.from(bytesOfBase64(encryptedKeys)),
      );
      const bytes = texts.map((text) => Buffer.from(text));
      const parts = ciphertexts.map((text) => takeApart(Buffer.from(text, "base64")));
      // Bare reuses a nonce: it is a floor to divide by, never a way to encrypt.
      const { nonce } = parts[0]!;
      return [
        {
          name: "bare",
          isAsync: false,
          isWhole: false,
          seal: (i) => hand.bareSeal(nonce, bytes[i & at]!),
          open: (i) => hand.bareOpen(parts[i & at]!.nonce, parts[i & at]!),
        },
        {
          name: "by hand",
          isAsync: false,
          isWhole: true,
          seal: (i) => hand.seal(texts[i & at]!),
          open: (i) => hand.open(ciphertexts[i & at]!),
        },
      ];
    }
    const hand = await WebCryptoByHand.create(
      runtime.webcrypto!.subtle,
      bytesOfBase64(dataKey),
      bytesOfBase64(encryptedKeys),
    );
    const bytes = texts.map((text) => new TextEncoder().encode(text));
    const sealed = ciphertexts.map((text) => hand.takeApart(bytesOfBase64(text)));
    const { nonce } = sealed[0]!;
    return [
      {
        name: "bare Web Crypto",
        isAsync: true,
        isWhole: false,
        seal: (i) => hand.bareSeal(nonce, bytes[i & at]!),
        open: (i) => hand.bareOpen(sealed[i & at]!.nonce, sealed[i & at]!.body),
      },
      {
        name: "by hand",
        isAsync: true,
        isWhole: true,
        seal: (i) => hand.seal(texts[i & at]!),
        open: (i) => hand.open(ciphertexts[i & at]!),
      },
    ];
  }

  coffer(): Way[] {
    const { texts, ciphertexts } = this.#material;
    const at = this.#at;
    const lease = this.#lease();
    return [
      {
        name: "coffer lease",
        isAsync: false,
        isWhole: true,
        seal: (i) => lease.encryptSync(texts[i & at]!),
        open: (i) => lease.decryptSync(ciphertexts[i & at]!),
      },
      {
        name: "coffer lease, async",
        isAsync: true,
        isWhole: true,
        seal: (i) => lease.encrypt(texts[i & at]!),
        open: (i) => lease.decrypt(ciphertexts[i & at]!),
      },
      this.#sync("coffer sync"),
      this.#async("coffer async"),
      ...(runtime.crypto?.createCipheriv === undefined ? [] : [this.#sync("node", "node")]),
      ...(this.#ciphers.providers.wasm === undefined ? [] : [this.#sync("wasm", "wasm")]),
      ...(runtime.webcrypto?.subtle === undefined ? [] : [this.#async("webcrypto, async", "webcrypto")]),
      this.#sync("noble", "noble"),
    ];
  }

  /** What the choice of provider by size lies between. */
  crossover(): Way[] {
    return [
      this.#sync("wasm", "wasm"),
      this.#async("wasm, async", "wasm"),
      ...(runtime.crypto?.createCipheriv === undefined
        ? []
        : [this.#sync("node", "node"), this.#async("node, async", "node")]),
      ...(runtime.webcrypto?.subtle === undefined ? [] : [this.#async("webcrypto, async", "webcrypto")]),
    ];
  }

  /** A call is the whole batch. */
  async batch(): Promise<Way[]> {
    const { texts, ciphertexts } = this.#material;
    const lease = this.#lease();
    const values = (results: readonly ItemResult<string>[]): string[] =>
      results.map((result) => {
        if (!result.ok) throw result.error;
        return result.value;
      });
    const [floor] = (await this.bare()) as [Way];
    const all =
      (call: (index: number) => unknown): (() => unknown) =>
      () =>
        texts.map((_, i) => call(i));
    return [
      // An asynchronous floor is one call after the other, as an application would wait for them.
      ...(floor.isAsync
        ? [{ ...floor, seal: inTurn(floor.seal, texts.length), open: inTurn(floor.open, texts.length) }]
        : [{ ...floor, seal: all(floor.seal), open: all(floor.open) }]),
      {
        name: "coffer lease",
        isAsync: false,
        isWhole: true,
        seal: all((i) => lease.encryptSync(texts[i]!)),
        open: all((i) => lease.decryptSync(ciphertexts[i]!)),
      },
      {
        name: "coffer lease, many",
        isAsync: false,
        isWhole: true,
        seal: () => values(lease.encryptManySync(texts)),
        open: () => values(lease.decryptManySync(ciphertexts)),
      },
    ];
  }

  #lease(): Lease {
    return new Lease(this.#key, {
      maxMessages: LEASE_MESSAGES_MAX,
      maxBytes: LEASE_BYTES_MAX,
      sync: this.#ciphers,
    });
  }

  #sync(name: string, provider?: Provider): Way {
    const { texts, ciphertexts } = this.#material;
    const [at, key, options] = [this.#at, this.#key, { provider, sync: this.#ciphers }];
    return {
      name,
      isAsync: false,
      isWhole: true,
      seal: (i) => localEncryptSync(texts[i & at]!, key, undefined, options),
      open: (i) => localDecryptSync(ciphertexts[i & at]!, key, undefined, options),
    };
  }

  #async(name: string, provider?: Provider): Way {
    const { texts, ciphertexts } = this.#material;
    const [at, key, options] = [this.#at, this.#key, { provider, sync: this.#ciphers }];
    return {
      name,
      isAsync: true,
      isWhole: true,
      seal: (i) => localEncrypt(texts[i & at]!, key, undefined, options),
      open: (i) => localDecrypt(ciphertexts[i & at]!, key, undefined, options),
    };
  }
}

function inTurn(call: (index: number) => unknown, count: number): () => Promise<unknown[]> {
  return async () => {
    const answers: unknown[] = [];
    for (let i = 0; i < count; i++) answers.push(await call(i));
    return answers;
  };
}
