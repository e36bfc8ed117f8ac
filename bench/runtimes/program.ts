/**
 * The program that runs inside every runtime: prepares competitors, proves that they agree, runs them when asked.
 *
 * Owns the answers to the protocol's questions. Portable, bundled once for all runtimes. Must not know how questions
 * arrive, nor compare times: it only reports its own clock.
 *
 * @module
 */

import { type RuntimeGlobals, runtime, runtimeName } from "../../src/base/runtime.ts";
import type { Ciphers } from "../../src/crypto/ciphers/ciphers.ts";
import { repeat, repeatAsync } from "../lib/repeat.ts";
import { type Way, waysOf } from "./competitors.ts";
import {
  type About,
  type Answer,
  DISAGREEMENT,
  type Material,
  type Prepared,
  type Question,
  type Ran,
  type Work,
} from "./protocol.ts";
import { binaryOf } from "./webcrypto-by-hand.ts";

export class Program {
  readonly #ciphers: Ciphers;
  #ways = new Map<string, Way>();
  /** Counts on over all runs, so that inputs differ. */
  #index = 0;

  /** @param ciphers - passed as `sync` */
  constructor(ciphers: Ciphers) {
    this.#ciphers = ciphers;
  }

  async answer<Q extends Question>(question: Q): Promise<Answer<Q>> {
    return (await this.#answer(question)) as Answer<Q>;
  }

  #answer(question: Question): About | Promise<Prepared | Ran> {
    if (question.op === "about") return about(this.#ciphers);
    if (question.op === "prepare") return this.#prepare(question.material);
    return this.#run(question.work, question.name, question.calls);
  }

  async #prepare(material: Material): Promise<Prepared> {
    const { texts, set } = material;
    const ways = await waysOf(material, this.#ciphers);
    this.#ways = new Map(ways.map((way) => [way.name, way]));
    const prepared: { name: string; sealed?: readonly string[] }[] = [];
    for (const { name, open, seal, isWhole } of ways) {
      const read = async (i: number): Promise<unknown> => {
        const answer = await open(i);
        return isWhole ? answer : binaryOf(answer as Uint8Array);
      };
      if (set === "batch") {
        const answers = (await open(0)) as unknown[];
        const found = isWhole ? answers : answers.map((bytes) => binaryOf(bytes as Uint8Array));
        if (texts.some((text, i) => found[i] !== text)) throw new Error(`${DISAGREEMENT}: ${name}`);
        prepared.push(isWhole ? { name, sealed: (await seal(0)) as string[] } : { name });
      } else {
        for (const [i, text] of texts.entries()) {
          if ((await read(i)) !== text) throw new Error(`${DISAGREEMENT}: ${name}`);
        }
        prepared.push(isWhole ? { name, sealed: [(await seal(0)) as string] } : { name });
      }
    }
    return prepared;
  }

  async #run(work: Work, name: string, calls: number): Promise<Ran> {
    const way = this.#ways.get(name);
    if (way === undefined) throw new Error(`there is no competitor ${name}`);
    // The event loop turns, so that what the last one left to be cleaned up is not charged to this one.
    await new Promise((done) => setTimeout(done, 0));
    const end = this.#index + calls;
    const start = performance.now();
    if (way.isAsync) await repeatAsync(way[work], this.#index, end);
    else repeat(way[work], this.#index, end);
    const ms = performance.now() - start;
    this.#index = end;
    return { ms };
  }
}

function about({ providers }: Ciphers): About {
  const globals = globalThis as unknown as RuntimeGlobals & {
    process?: { versions?: Record<string, string> };
  };
  const { bun, deno, node } = globals.process?.versions ?? {};
  const agent = globals.navigator?.userAgent ?? "unknown";
  return {
    engine: bun
      ? `Bun ${bun}`
      : deno
        ? `Deno ${deno}`
        : node && !agent.includes("orker")
          ? `Node ${node}`
          : agent,
    runtimeName: runtimeName(globals),
    hasNodeCrypto: runtime.crypto?.createCipheriv !== undefined,
    hasBuffer: runtime.Buffer !== undefined,
    hasWasm: providers.wasm !== undefined,
  };
}
