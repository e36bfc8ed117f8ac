/**
 * Writes test/testkit/files and test/testkit/sealed: `node test/testkit/make.ts`. The same files every time.
 *
 * Owns the writing; what the files hold is in cases-*.ts.
 *
 * @module
 */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { documentCases } from "./cases-documents.ts";
import { environmentBlobCases, environmentDocumentCases } from "./cases-environment.ts";
import { nativeCases } from "./cases-native.ts";
import { sealedBlobCases } from "./cases-sealed.ts";
import { signedBlobCases } from "./cases-signed.ts";
import { workosCases } from "./cases-workos.ts";
import { encode, FILES_DIRECTORY, type TestkitFile } from "./format.ts";
import { encodeSealed, SEALED_DIRECTORY, type SealedFile } from "./sealed-format.ts";

/** Every file of the testkit on envelopes, made anew. */
export function makeAll(): TestkitFile[] {
  return named([...nativeCases(), ...workosCases()]);
}

/** Every file of the testkit on sealed data keys, made anew. */
export function makeSealed(): SealedFile[] {
  return named([
    ...sealedBlobCases(),
    ...environmentBlobCases(),
    ...documentCases(),
    ...environmentDocumentCases(),
    ...signedBlobCases(),
  ]);
}

function named<F extends { readonly name: string }>(files: F[]): F[] {
  const names = new Set(files.map((file) => file.name));
  if (names.size !== files.length) throw new Error("two files have one name");
  return files;
}

function write(directory: string, files: readonly { name: string; bytes: Uint8Array }[]): void {
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory);
  for (const { name, bytes } of files) writeFileSync(join(directory, name), bytes);
  console.log(`${files.length} files written to ${directory}`);
}

if (import.meta.main) {
  write(
    FILES_DIRECTORY,
    makeAll().map((file) => ({ name: file.name, bytes: encode(file) })),
  );
  write(
    SEALED_DIRECTORY,
    makeSealed().map((file) => ({ name: file.name, bytes: encodeSealed(file) })),
  );
}
