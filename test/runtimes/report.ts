/**
 * What the runner hands to the conformance program, and what comes back.
 *
 * Owns these shapes, which travel as JSON. Must not know any runtime: the program and the runner both import it.
 *
 * @module
 */

/** A provider by its name (src/crypto/aead/aead.ts), as JSON has it. */
export type ProviderName = "node" | "webcrypto" | "wasm" | "noble";

/** What must serve on a runtime. */
export interface Expected {
  /** Whether synchronous calls work without the argument `sync`. */
  readonly isBuiltIn: boolean;
  /** The providers that are there, in the order of {@link ProviderName}. */
  readonly providers: readonly ProviderName[];
  /** Serves a synchronous call of 16 bytes. */
  readonly syncSmall: ProviderName;
  /** Serves a synchronous call of 1 MiB. */
  readonly syncLarge: ProviderName;
  readonly asyncSmall: ProviderName;
  readonly asyncLarge: ProviderName;
  /**
   * Web Crypto there takes nonces of 12 and 16 bytes only, so that `provider: "webcrypto"` does not open `iv32`: the
   * checks then hold it to ERR_DECRYPT_FAILED, and notice when that changes. Default false.
   */
  readonly webCryptoLacksLongNonces?: boolean;
  /** There are no streams and no `Blob`. Default false. */
  readonly lacksStreams?: boolean;
}

/** One AES-256-GCM case; bytes as hexadecimal. */
export interface AeadVector {
  readonly name: string;
  readonly key: string;
  readonly nonce: string;
  readonly aad: string;
  readonly ciphertext: string;
  readonly tag: string;
  readonly plaintext: string;
  /**
   * `valid` ones open; `invalid` ones are ERR_DECRYPT_FAILED; `refused` ones have a size of key or nonce that no
   * layout has, and are a RangeError.
   */
  readonly expect: "valid" | "invalid" | "refused";
}

export interface XaesVector {
  readonly key: string;
  readonly nonce: string;
  readonly aad: string;
  readonly plaintext: string;
  /** Ciphertext and tag. */
  readonly sealed: string;
  /** Ciphertext, tag and commitment; only one of the two is there. */
  readonly committed: string;
}

export interface ContextVector {
  readonly why: string;
  readonly a?: Readonly<Record<string, string>>;
  readonly b?: Readonly<Record<string, string>>;
  readonly a_json?: string;
  readonly b_json?: string;
  readonly same?: boolean;
  readonly reject?: boolean;
  readonly sort_utf8?: readonly string[];
  readonly expected?: readonly string[];
}

/** Published cases, read where they lie; lists are empty where their files are absent. */
export interface Vectors {
  readonly aead: readonly AeadVector[];
  readonly xaes: readonly XaesVector[];
  readonly context: readonly ContextVector[];
  readonly base64: {
    readonly accept: readonly { readonly text: string; readonly hex: string }[];
    readonly reject: readonly { readonly text: string; readonly why: string }[];
  };
  readonly leb128: readonly { readonly hex: string; readonly value: number | null }[];
  /** Strings that programs have stumbled over. */
  readonly texts: readonly string[];
}

/** A file of the testkit (test/testkit/README.md); bytes as base64. */
export interface KitFile {
  readonly name: string;
  readonly layout: string;
  readonly expect: string;
  readonly key: string;
  readonly aad: string;
  readonly releasedBytes: number;
  readonly releasedSha256: string;
  readonly payload: string;
}

/** A file of the testkit on sealed data keys; bytes as base64. */
export type SealedKitFile = {
  readonly name: string;
  readonly expect: string;
  readonly payload: string;
} & (
  | {
      readonly kind: "key-blob";
      readonly recipientId: string;
      readonly privateKeys: readonly string[];
      readonly context: string;
      readonly dataKey: string;
    }
  | {
      readonly kind: "document";
      readonly now: number;
      readonly signer: string;
      readonly minVersion: number;
      /** The context that the sealer is told, as JSON; empty for none. */
      readonly context: string;
    }
);

export interface Input {
  readonly expected: Expected;
  readonly vectors: Vectors;
  readonly testkit: readonly KitFile[];
  readonly sealedTestkit: readonly SealedKitFile[];
  /** A coffer server that runs, as this runtime reaches it. */
  readonly server: { readonly url: string; readonly apiKey: string };
  /** Told apart by the names of what is stored: all runtimes share one server. */
  readonly name: string;
}

export interface PartReport {
  readonly name: string;
  readonly checks: number;
  readonly failures: readonly string[];
}

export interface Report {
  /** How the runtime names itself. */
  readonly runtime: string;
  readonly parts: readonly PartReport[];
}
