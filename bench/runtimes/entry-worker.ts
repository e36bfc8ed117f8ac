/**
 * The program as a worker of workerd: a question is the body of a request.
 *
 * Owns the requests, and hands over the WebAssembly module, which workerd does not compile at run time.
 *
 * @module
 */
// @ts-expect-error a module that workerd's configuration gives (hosts/workerd.ts); tsc has no type for it
import module from "aes-gcm.wasm";
import { useWasmModule } from "../../src/crypto/index.ts";
import { Program } from "./program.ts";
import type { Question } from "./protocol.ts";

useWasmModule(module);
const program = new Program();

export default {
  async fetch(request: Request): Promise<Response> {
    try {
      const question = (await request.json()) as Question;
      return Response.json({ answer: await program.answer(question) });
    } catch (error) {
      return Response.json({ error: (error as Error).stack ?? String(error) });
    }
  },
};
