/**
 * The program in a browser's page: a question is an argument of a global function.
 *
 * Owns the function.
 *
 * @module
 */
import { Program } from "./program.ts";
import type { Question } from "./protocol.ts";

const program = new Program();

Object.assign(globalThis, {
  cofferBench: async (question: Question): Promise<unknown> => {
    try {
      return { answer: await program.answer(question) };
    } catch (error) {
      return { error: (error as Error).stack ?? String(error) };
    }
  },
});
