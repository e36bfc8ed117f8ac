/**
 * What the runner asks the program in another runtime, and what it answers.
 *
 * Owns the shapes. Everything is JSON. Must not know how it travels: lines on a pipe, HTTP, a browser's page.
 *
 * @module
 */

import type { RecipientDocument } from "../../src/crypto/sealed/recipient-document.ts";

/** Which competitors: those of one message, of a batch, the two between which the choice of provider lies, or sealed data keys. */
export type CompetitorSet = "message" | "batch" | "crossover" | "sealed";
/** With what the message of an error begins that is one of outputs; others are of a runtime that does not run. */
export const DISAGREEMENT = "outputs disagree";

export type Work = "seal" | "open";

/** Texts and the same sealed by hand on Node, with the key of both. The key protects nothing. */
export interface Material {
  readonly set: CompetitorSet;
  /** Base64, as a key service answers it. */
  readonly dataKey: string;
  readonly encryptedKeys: string;
  /** Of the set `sealed`: to whom the ciphertexts are sealed, keys as base64. */
  readonly recipient?: {
    readonly document: RecipientDocument;
    readonly privateKey: string;
    readonly publicKey: string;
  };
  readonly texts: readonly string[];
  readonly ciphertexts: readonly string[];
}

export type Question =
  | { readonly op: "about" }
  | { readonly op: "prepare"; readonly material: Material }
  | { readonly op: "run"; readonly work: Work; readonly name: string; readonly calls: number };

/** The runtime, in its own words. */
export interface About {
  /** What it calls itself: versions, or a user agent. */
  readonly engine: string;
  /** The name under which coffer decides (src/base/runtime.ts). */
  readonly runtimeName: string;
  readonly hasNodeCrypto: boolean;
  readonly hasBuffer: boolean;
  readonly hasWasm: boolean;
}

export interface PreparedCompetitor {
  readonly name: string;
  /** The first text, or all texts of a batch, sealed here; absent if it does not make whole envelopes. */
  readonly sealed?: readonly string[];
}

/** The competitors, the baseline first; each has opened what was given. */
export type Prepared = readonly PreparedCompetitor[];

/** Milliseconds that the calls took by the runtime's own clock, where it has one that moves. */
export interface Ran {
  readonly ms: number;
}

export interface Answers {
  readonly about: About;
  readonly prepare: Prepared;
  readonly run: Ran;
}

export type Answer<Q extends Question> = Q extends { readonly op: infer Op extends keyof Answers }
  ? Answers[Op]
  : never;
