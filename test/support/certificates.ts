/**
 * Certificates for tests of TLS: an authority, and what it vouches for.
 *
 * Owns the little of X.509 (RFC 5280 section 4.1) and DER (X.690) that this takes, by Node's own signatures. Made anew in each
 * run: a certificate in a file would expire.
 *
 * @module
 */
import { generateKeyPairSync, type KeyObject, randomBytes, sign, X509Certificate } from "node:crypto";

const DAY_MS = 86_400_000;

/** A certificate and its private key, in PEM, as `node:tls` takes them. */
export interface Credentials {
  readonly cert: string;
  readonly key: string;
}

/** What a certificate says. */
export interface CertificateOptions {
  /** DNS names and IPv4 addresses; default `127.0.0.1` and `localhost`. */
  readonly names?: readonly string[];
  /** Days from now on which it ends; default 1. */
  readonly endsInDays?: number;
}

/** An authority that clients may be told to trust. */
export class Authority {
  readonly #subject: Buffer;
  readonly #key: KeyObject;
  readonly name: string;
  /** Its own certificate, in PEM. */
  readonly cert: string;

  constructor(name = `coffer test ${randomBytes(4).toString("hex")}`) {
    const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    this.#key = privateKey;
    this.name = name;
    this.#subject = commonName(name);
    this.cert = this.#signed(publicKey, this.#subject, 1, extension(BASIC_CONSTRAINTS, sequence(TRUE)));
  }

  /** Makes a certificate of a server. */
  issue({ names = ["127.0.0.1", "localhost"], endsInDays = 1 }: CertificateOptions = {}): Credentials {
    const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const alternatives = extension(SUBJECT_ALT_NAME, sequence(...names.map(generalName)));
    return {
      cert: this.#signed(publicKey, commonName("server"), endsInDays, alternatives),
      key: privateKey.export({ type: "pkcs8", format: "pem" }) as string,
    };
  }

  #signed(publicKey: KeyObject, subject: Buffer, endsInDays: number, extensions: Buffer): string {
    const algorithm = sequence(oid(ECDSA_WITH_SHA256));
    const now = Date.now();
    const content = sequence(
      der(0xa0, der(INTEGER, Buffer.of(2))), // version 3
      der(INTEGER, Buffer.concat([Buffer.of(1), randomBytes(8)])),
      algorithm,
      this.#subject,
      sequence(time(now - 30 * DAY_MS), time(now + endsInDays * DAY_MS)),
      subject,
      publicKey.export({ type: "spki", format: "der" }),
      der(0xa3, sequence(extensions)),
    );
    const signature = sign("sha256", content, this.#key);
    const bytes = sequence(content, algorithm, der(BIT_STRING, Buffer.of(0), signature));
    return new X509Certificate(bytes).toString();
  }
}

const INTEGER = 0x02;
const BIT_STRING = 0x03;
const ECDSA_WITH_SHA256 = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
const COMMON_NAME = [0x55, 0x04, 0x03];
const BASIC_CONSTRAINTS = [0x55, 0x1d, 0x13];
const SUBJECT_ALT_NAME = [0x55, 0x1d, 0x11];
const TRUE = der(0x01, Buffer.of(0xff));

function der(tag: number, ...parts: Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const size =
    length < 0x80
      ? Buffer.of(length)
      : length < 0x100
        ? Buffer.of(0x81, length)
        : Buffer.of(0x82, length >> 8, length & 0xff);
  return Buffer.concat([Buffer.of(tag), size, content]);
}

function sequence(...parts: Buffer[]): Buffer {
  return der(0x30, ...parts);
}

function oid(bytes: readonly number[]): Buffer {
  return der(0x06, Buffer.from(bytes));
}

function commonName(name: string): Buffer {
  return sequence(der(0x31, sequence(oid(COMMON_NAME), der(0x0c, Buffer.from(name)))));
}

/** As UTCTime. */
function time(ms: number): Buffer {
  const digits = new Date(ms).toISOString().replace(/[-:T]/g, "").slice(2, 14);
  return der(0x17, Buffer.from(`${digits}Z`));
}

function extension(id: readonly number[], value: Buffer): Buffer {
  return sequence(oid(id), der(0x04, value));
}

function generalName(name: string): Buffer {
  return /^[\d.]+$/.test(name)
    ? der(0x87, Buffer.from(name.split(".").map(Number)))
    : der(0x82, Buffer.from(name));
}
