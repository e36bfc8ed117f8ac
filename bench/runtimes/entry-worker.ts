/**
 * The program as a worker of workerd: a question is the body of a request.
 *
 * Owns the requests, and hands over the WebAssembly module, which workerd does not compile at run time.
 *
 * @module
 */
// @ts-expect-error a module that workerd's configuration gives (hosts/workerd.ts); tsc has no type for it
import module from "aes-gcm.wasm";
import { runtime } from "../../src/base/runtime.ts";
import { wasmModuleRow } from "../../src/crypto/aead/wasm.ts";
import { withAll } from "./ciphers.ts";
import { Program } from "./program.ts";
import type { Question } from "./protocol.ts";

const program = new Program(withAll(wasmModuleRow(runtime.wasm, module)));

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
