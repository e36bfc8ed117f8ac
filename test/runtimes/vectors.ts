/**
 * Published vectors in one form, for programs that cannot read files.
 *
 * Owns the reading. The files are other people's work and are read where they lie (COFFER_VECTORS, else beside the
 * repository), never copied; what is absent is named. Must not know what is checked.
 *
 * @module
 */
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { ROOT } from "../../tools/root.ts";
import { readAll } from "../testkit/format.ts";
import { readSealed } from "../testkit/sealed-format.ts";
import type { AeadVector, ContextVector, KitFile, SealedKitFile, Vectors, XaesVector } from "./report.ts";

const DIRECTORY = process.env.COFFER_VECTORS ?? resolve(ROOT, "../shared/vectors");

/** The vectors, and the files that were not there. */
export function readVectors(): { vectors: Vectors; absent: string[] } {
  const absent: string[] = [];
  const read = <T>(path: string, otherwise: T, parse: (text: string) => T): T => {
    const file = join(DIRECTORY, path);
    if (existsSync(file)) return parse(readFileSync(file, "utf8"));
    absent.push(path);
    return otherwise;
  };
  const tests = <T>(text: string): T[] => (JSON.parse(text) as { tests: T[] }).tests;
  const vectors: Vectors = {
    aead: [
      ...read("derived/vault-profile-aes256gcm-iv96-tag128.json", [], vaultProfile),
      ...read("boringssl/aes_256_gcm_tests.txt", [], boringSsl),
      ...read("wycheproof/aes_gcm_test.json", [], wycheproof),
    ],
    xaes: read("c2sp-xaes/xaes-256-gcm.json", [], xaes),
    context: read("derived/context-edge.json", [], (text) => tests<ContextVector>(text)),
    base64: read("derived/base64-strict.json", { accept: [], reject: [] }, JSON.parse),
    leb128: read("derived/leb128-u32-strict.json", [], (text) => tests<Vectors["leb128"][number]>(text)),
    texts: read("naughty-strings/blns.json", [], (text) =>
      (JSON.parse(text) as string[]).filter((entry) => entry.isWellFormed()),
    ),
  };
  return { vectors, absent };
}

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");

/** The testkit on sealed data keys. */
export function readSealedTestkit(): SealedKitFile[] {
  return readSealed().flatMap((file): SealedKitFile[] => {
    // Signatures of senders are for vaults only.
    if (file.kind === "signed-key-blob") return [];
    const common = { name: file.name, expect: file.expect, payload: base64(file.payload) };
    if (file.kind === "document") {
      const { kind, now, signer, minVersion, context } = file;
      return [{ ...common, kind, now, signer, minVersion, context }];
    }
    return [
      {
        ...common,
        kind: file.kind,
        recipientId: base64(file.recipientId),
        privateKeys: file.privateKeys.map(base64),
        context: base64(file.context),
        dataKey: base64(file.dataKey),
      },
    ];
  });
}

/** The testkit on envelopes, which lies in the repository. */
export function readTestkit(): KitFile[] {
  return readAll().map(({ name, layout, expect, key, aad, releasedBytes, releasedSha256, payload }) => ({
    name,
    layout,
    expect,
    key: base64(key),
    aad: base64(aad),
    releasedBytes,
    releasedSha256,
    payload: base64(payload),
  }));
}

function vaultProfile(text: string): AeadVector[] {
  interface Case {
    src: string;
    key: string;
    iv: string;
    aad: string;
    pt?: string | null;
    ct: string;
    tag: string;
    result: string;
  }
  return (JSON.parse(text) as { tests: Case[] }).tests.map((one) => ({
    name: one.src,
    key: one.key,
    nonce: one.iv,
    aad: one.aad,
    ciphertext: one.ct,
    tag: one.tag,
    plaintext: one.pt ?? "",
    expect: one.result === "valid" ? "valid" : "invalid",
  }));
}

function boringSsl(text: string): AeadVector[] {
  return text
    .split("\n\n")
    .map((block) =>
      // Nothing is written as nothing, or as "".
      Object.fromEntries(
        [...block.matchAll(/^(\w+): ?(?:""|([0-9a-f]*))$/gm)].map((match) => [match[1], match[2] ?? ""]),
      ),
    )
    .filter((fields) => fields.KEY !== undefined)
    .map((fields) => ({
      name: `BoringSSL, nonce ${fields.NONCE}`,
      key: fields.KEY!,
      nonce: fields.NONCE!,
      aad: fields.AD!,
      ciphertext: fields.CT!,
      tag: fields.TAG!,
      plaintext: fields.IN!,
      expect: fields.NONCE!.length === 24 ? "valid" : "refused",
    }));
}

function wycheproof(text: string): AeadVector[] {
  interface Group {
    keySize: number;
    ivSize: number;
    tests: {
      tcId: number;
      key: string;
      iv: string;
      aad: string;
      msg: string;
      ct: string;
      tag: string;
      result: string;
    }[];
  }
  return (JSON.parse(text) as { testGroups: Group[] }).testGroups.flatMap(({ keySize, ivSize, tests }) => {
    const isOurs = keySize === 256 && (ivSize === 96 || ivSize === 256);
    return tests.map((one) => ({
      name: `Wycheproof ${one.tcId}`,
      key: one.key,
      nonce: one.iv,
      aad: one.aad,
      ciphertext: one.ct,
      tag: one.tag,
      plaintext: one.msg,
      expect: !isOurs ? "refused" : one.result === "valid" ? "valid" : "invalid",
    }));
  });
}

function xaes(text: string): XaesVector[] {
  interface Case {
    key: string;
    nonce: string;
    aad: string;
    pt: string;
    ct_and_tag?: string;
    ct_tag_kc?: string;
  }
  const { xaes: plain, kc_xaes: committing } = JSON.parse(text) as { xaes: Case[]; kc_xaes: Case[] };
  return [...plain, ...committing].map((one) => ({
    key: one.key,
    nonce: one.nonce,
    aad: one.aad,
    plaintext: one.pt,
    sealed: one.ct_and_tag ?? "",
    committed: one.ct_tag_kc ?? "",
  }));
}
