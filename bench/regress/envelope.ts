/**
 * Messages on a lease, one by one: the work of envelopes.
 *
 * Owns the sizes and the calls. Must not know what they are compared with.
 *
 * @module
 */
import { randomBytes } from "node:crypto";
import type * as Crypto from "../../src/crypto/index.ts";
import type * as Keys from "../../src/keys/index.ts";
import { inProcess } from "../lib/harness.ts";
import { type Group, load, type Side, type Work } from "./side.ts";

const SIZES = [16, 256, 1024, 4096, 65536];

const RAW_KEY = randomBytes(32);
const KEY_BLOB = Buffer.concat([Buffer.from("WOS.EKM.v1\0", "latin1"), randomBytes(195)]).toString("base64");

/** Sealing and opening a text of each size. */
export async function envelopeGroup(side: Side): Promise<Group> {
  const { DataKey } = await load<typeof Crypto>(side, "crypto/index.ts");
  const { Lease } = await load<typeof Keys>(side, "keys/index.ts");
  const key = new DataKey({ id: "bench", key: Uint8Array.from(RAW_KEY), encryptedKeys: KEY_BLOB });
  const lease = new Lease(key, { maxMessages: 2 ** 32, maxBytes: 2 ** 50 });
  const works = SIZES.flatMap((size): Work[] => {
    const text = Buffer.from(randomBytes(size).toString("base64").slice(0, size)).toString();
    const sealed = lease.encryptSync(text);
    if (lease.decryptSync(sealed) !== text) throw new Error("a lease does not read what it wrote");
    const work = (name: string, call: () => unknown): Work => ({
      name: `${name} ${size} B`,
      sampler: (column) => inProcess({ name: column, call, isAsync: false }),
    });
    return [work("seal", () => lease.encryptSync(text)), work("open", () => lease.decryptSync(sealed))];
  });
  return { works, close: async () => lease.dispose() };
}
