/**
 * The program as a process of Node, Bun or Deno: a question a line in, an answer a line out. Ends when its input does.
 *
 * Owns the lines. No `node:` import: all three have `process`.
 *
 * @module
 */
import { WASM_ROW } from "../../src/crypto/aead/wasm.ts";
import { withAll } from "./ciphers.ts";
import { Program } from "./program.ts";
import type { Question } from "./protocol.ts";

const { process } = globalThis;
const program = new Program(withAll(WASM_ROW));
const decoder = new TextDecoder();
let pieces: string[] = [];

for await (const chunk of process.stdin) {
  const text = decoder.decode(chunk as Uint8Array, { stream: true });
  const lines = text.split("\n");
  pieces.push(lines.shift()!);
  for (const rest of lines) {
    const line = pieces.join("");
    pieces = [rest];
    process.stdout.write(`${JSON.stringify(await answer(line))}\n`);
  }
}

async function answer(line: string): Promise<unknown> {
  try {
    return { answer: await program.answer(JSON.parse(line) as Question) };
  } catch (error) {
    return { error: (error as Error).stack ?? String(error) };
  }
}
