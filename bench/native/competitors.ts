/**
 * Who encrypts files: coffer's native format, bare `node:crypto` over the same chunks, age, the AWS Encryption SDK.
 *
 * Owns the competitors. All read the same file in the same pieces, and throw away what comes out. Formats differ, so
 * each opens what it sealed itself.
 *
 * @module
 */
import { createCipheriv, createDecipheriv, createSecretKey, randomBytes } from "node:crypto";
import { readFileSync, readSync } from "node:fs";
import { createRequire } from "node:module";
import { Readable, Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { pathToFileURL } from "node:url";
import {
  decryptStream,
  encryptStream,
  nativeDecryptSync,
  nativeEncryptSync,
} from "../../src/crypto/index.ts";

/** Bytes of a piece that is read from the file. */
export const PIECE_BYTES = 64 * 1024;
const CHUNK_BYTES = 16 * 1024;
const TAG_BYTES = 16;
/** The largest frame that others' users are told to use; larger ones hold more of unauthenticated data. */
const AWS_FRAME_BYTES = 64 * 1024;

export type Work = "encrypt" | "decrypt";

export interface FileCompetitor {
  readonly name: string;
  /** What is encrypted with it fits into memory as a whole. */
  readonly isOneShot: boolean;
  /** @param take - is given what comes out */
  encrypt(fd: number, path: string, take: Take): Promise<void>;
  decrypt(fd: number, path: string, take: Take): Promise<void>;
}

export type Take = (bytes: Uint8Array) => void;

/** Packages of `bench/peers`, without types: they need not be there when this is compiled. */
// biome-ignore lint/suspicious/noExplicitAny: see above
type Untyped = any;

/** A key for all, the same in every process: what one encrypted, another decrypts. */
const KEY = Buffer.alloc(32, 0x6b);
const DATA_KEY = {
  dataKey: KEY,
  encryptedKeys: Buffer.concat([Buffer.from("CFR.EKM.v1\0"), Buffer.alloc(141, 1)]).toString("base64"),
};
/** Names the variable that hands age's key from the parent process to those that measure. */
const AGE_IDENTITY = "COFFER_BENCH_AGE_IDENTITY";

const require = createRequire(new URL("../peers/package.json", import.meta.url));

async function load(name: string): Promise<Untyped> {
  return import(pathToFileURL(require.resolve(name)).href);
}

/** All that can run here, by name. @throws if a peer is not installed */
export async function competitorNamed(name: string): Promise<FileCompetitor> {
  const make = MAKERS[name];
  if (make === undefined) throw new Error(`there is no competitor ${name}`);
  return make();
}

const MAKERS: Readonly<Record<string, () => FileCompetitor | Promise<FileCompetitor>>> = {
  bare,
  "coffer stream": cofferStream,
  "coffer one-shot": cofferOneShot,
  "age stream": ageStream,
  "AWS stream 4 KiB": () => awsStream(4 * 1024),
  "AWS stream 64 KiB": () => awsStream(AWS_FRAME_BYTES),
};

export const NAMES: readonly string[] = Object.keys(MAKERS);

/** Chunks of 16 KiB, each under a nonce of its own: what no code around could be faster than. */
function bare(): FileCompetitor {
  const key = createSecretKey(KEY);
  const nonce = Buffer.alloc(12);
  const count = (index: number): Buffer => {
    nonce.writeUInt32BE(index, 8);
    return nonce;
  };
  return {
    name: "bare",
    isOneShot: false,
    async encrypt(fd, _, take) {
      let index = 0;
      for (const piece of copies(fd)) {
        for (let at = 0; at < piece.length; at += CHUNK_BYTES) {
          const cipher = createCipheriv("aes-256-gcm", key, count(index++), { authTagLength: TAG_BYTES });
          take(cipher.update(piece.subarray(at, at + CHUNK_BYTES)));
          cipher.final();
          take(cipher.getAuthTag());
        }
      }
    },
    async decrypt(fd, _, take) {
      let index = 0;
      const sealed = CHUNK_BYTES + TAG_BYTES;
      for (const piece of copies(fd, 4 * sealed)) {
        for (let at = 0; at < piece.length; at += sealed) {
          const end = Math.min(at + sealed, piece.length) - TAG_BYTES;
          const decipher = createDecipheriv("aes-256-gcm", key, count(index++), { authTagLength: TAG_BYTES });
          decipher.setAuthTag(piece.subarray(end, end + TAG_BYTES));
          take(decipher.update(piece.subarray(at, end)));
          decipher.final();
        }
      }
    },
  };
}

function cofferStream(): FileCompetitor {
  const through = async (
    fd: number,
    stream: TransformStream<Uint8Array, Uint8Array>,
    take: Take,
  ): Promise<void> => {
    for await (const bytes of webStream(fd).pipeThrough(stream) as AsyncIterable<Uint8Array>) take(bytes);
  };
  return {
    name: "coffer stream",
    isOneShot: false,
    encrypt: (fd, _, take) => through(fd, encryptStream(DATA_KEY), take),
    decrypt: (fd, _, take) => through(fd, decryptStream(DATA_KEY), take),
  };
}

function cofferOneShot(): FileCompetitor {
  return {
    name: "coffer one-shot",
    isOneShot: true,
    encrypt: async (_, path, take) => take(nativeEncryptSync(readFileSync(path), DATA_KEY)),
    decrypt: async (_, path, take) => take(nativeDecryptSync(readFileSync(path), DATA_KEY)),
  };
}

async function ageStream(): Promise<FileCompetitor> {
  const age = await load("age-encryption");
  process.env[AGE_IDENTITY] ??= await age.generateX25519Identity();
  const identity = process.env[AGE_IDENTITY];
  const through = async (stream: ReadableStream<Uint8Array>, take: Take): Promise<void> => {
    for await (const bytes of stream as AsyncIterable<Uint8Array>) take(bytes);
  };
  return {
    name: "age stream",
    isOneShot: false,
    async encrypt(fd, _, take) {
      const encrypter = new age.Encrypter();
      encrypter.addRecipient(await age.identityToRecipient(identity));
      await through(await encrypter.encrypt(webStream(fd)), take);
    },
    async decrypt(fd, _, take) {
      const decrypter = new age.Decrypter();
      decrypter.addIdentity(identity);
      await through(await decrypter.decrypt(webStream(fd)), take);
    },
  };
}

/** Suite 0x0478: committing, without a signature, which is the one that answers before the end. */
async function awsStream(frameLength: number): Promise<FileCompetitor> {
  const aws = await load("@aws-crypto/client-node");
  const { RawAesKeyringNode, RawAesWrappingSuiteIdentifier, buildClient, CommitmentPolicy } = aws;
  const keyring = new RawAesKeyringNode({
    keyName: "bench",
    keyNamespace: "coffer",
    unencryptedMasterKey: Uint8Array.from(KEY),
    wrappingSuite: RawAesWrappingSuiteIdentifier.AES256_GCM_IV12_TAG16_NO_PADDING,
  });
  const client = buildClient(CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT);
  const sink = (take: Take): Writable =>
    new Writable({
      write(bytes: Uint8Array, _, done) {
        take(bytes);
        done();
      },
    });
  const SUITE_COMMITTING_UNSIGNED = 0x0478;
  return {
    name: `AWS stream ${frameLength / 1024} KiB`,
    isOneShot: false,
    encrypt: (fd, _, take) =>
      pipeline(
        Readable.from(copies(fd)),
        client.encryptStream(keyring, { frameLength, suiteId: SUITE_COMMITTING_UNSIGNED }),
        sink(take),
      ),
    decrypt: (fd, _, take) =>
      pipeline(Readable.from(copies(fd)), client.decryptUnsignedMessageStream(keyring), sink(take)),
  };
}

/** The file, piece by piece, in the same memory each time. */
function* pieces(fd: number, size = PIECE_BYTES): Generator<Uint8Array> {
  const buffer = Buffer.alloc(size);
  for (let at = 0; ; ) {
    const read = readSync(fd, buffer, 0, size, at);
    if (read === 0) return;
    at += read;
    yield new Uint8Array(buffer.buffer, buffer.byteOffset, read);
  }
}

/** The same, each piece in memory of its own, as streams hand them on: all competitors read these. */
function* copies(fd: number, size = PIECE_BYTES): Generator<Uint8Array> {
  for (const piece of pieces(fd, size)) yield piece.slice();
}

function webStream(fd: number): ReadableStream<Uint8Array> {
  const source = copies(fd);
  return new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        const { value, done } = source.next();
        if (done === true) controller.close();
        else controller.enqueue(value);
      },
    },
    { highWaterMark: 0 },
  );
}

/** Bytes that no compressor or cache knows. */
export const someBytes = (size: number): Uint8Array => randomBytes(size);
