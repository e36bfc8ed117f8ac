/**
 * A process that rotates the root of a vault in a file: run by tests and soaks, which kill it.
 *
 * Owns nothing but that call. `node root-rotation.ts PATH [leaked]`, with the root key in the file beside it.
 *
 * @module
 */
import { openFileHost } from "../../src/vault/index.ts";

const host = await openFileHost({ path: process.argv[2]!, create: false, onNotice: () => {} });
process.stdout.write("open\n");
const hasLeaked = process.argv[3] === "leaked";
await host.rotateRoot({ hasLeaked, onProgress: (done) => process.stdout.write(`${done}\n`) });
await host.close();
process.stdout.write("done\n");
