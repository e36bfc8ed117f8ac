/**
 * Peers of the benches: packages that are no dependencies of coffer, measured if they are installed under `bench/peers`.
 *
 * Owns their shape, how they are loaded, and the peer that several suites share. Must not know what is measured.
 *
 * @module
 */
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

/** Takes a text and answers a text, with a key at hand. */
export interface Peer {
  readonly name: string;
  readonly isAsync: boolean;
  readonly seal: (text: string) => string | Promise<string>;
  readonly open: (text: string) => string | Promise<string>;
}

/** Makes a peer ready; `load` imports one of its packages. */
export type MakePeer = (load: (name: string) => Promise<unknown>) => Promise<Peer>;

/** Packages of `bench/peers`, without types: they need not be there when this is compiled. */
// biome-ignore lint/suspicious/noExplicitAny: see above
export type Untyped = any;

export const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");
export const bytesOf = (text: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(Buffer.from(text, "base64"));
export const utf8 = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);
export const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("utf8");

/** age, to one X25519 recipient. */
export const agePeer: MakePeer = async (load) => {
  const { Encrypter, Decrypter, generateX25519Identity, identityToRecipient } = (await load(
    "age-encryption",
  )) as Untyped;
  const identity = await generateX25519Identity();
  const encrypter = new Encrypter();
  encrypter.addRecipient(await identityToRecipient(identity));
  const decrypter = new Decrypter();
  decrypter.addIdentity(identity);
  return {
    name: "age",
    isAsync: true,
    seal: async (data) => base64(await encrypter.encrypt(data)),
    open: (sealed) => decrypter.decrypt(bytesOf(sealed), "text"),
  };
};

/** Those that are installed; the others are named. @param suite - for the message */
export async function installedPeers(suite: string, peers: readonly MakePeer[]): Promise<Peer[]> {
  const require = createRequire(new URL("../peers/package.json", import.meta.url));
  const load = (name: string): Promise<unknown> => import(pathToFileURL(require.resolve(name)).href);
  const there: Peer[] = [];
  for (const make of peers) {
    try {
      there.push(await make(load));
    } catch (error) {
      console.error(`${suite}: left out (${(error as Error).message.split("\n")[0]})`);
    }
  }
  return there;
}
