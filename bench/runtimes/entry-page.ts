/**
 * The program in a browser's page: a question is an argument of a global function.
 *
 * Owns the function.
 *
 * @module
 */
import { WASM_ROW } from "../../src/crypto/aead/wasm.ts";
import { withAll } from "./ciphers.ts";
import { Program } from "./program.ts";
import type { Question } from "./protocol.ts";

const program = new Program(withAll(WASM_ROW));

Object.assign(globalThis, {
  cofferBench: async (question: Question): Promise<unknown> => {
    try {
      return { answer: await program.answer(question) };
    } catch (error) {
      return { error: (error as Error).stack ?? String(error) };
    }
  },
});
