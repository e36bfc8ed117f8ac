/**
 * Writes test/testkit/files: `node test/testkit/make.ts`. The same files every time.
 *
 * Owns the writing; what the files hold is in cases-*.ts.
 *
 * @module
 */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { nativeCases } from "./cases-native.ts";
import { workosCases } from "./cases-workos.ts";
import { encode, FILES_DIRECTORY, type TestkitFile } from "./format.ts";

/** Every file of the testkit, made anew. */
export function makeAll(): TestkitFile[] {
  const files = [...nativeCases(), ...workosCases()];
  const names = new Set(files.map((file) => file.name));
  if (names.size !== files.length) throw new Error("two files have one name");
  return files;
}

if (import.meta.main) {
  rmSync(FILES_DIRECTORY, { recursive: true, force: true });
  mkdirSync(FILES_DIRECTORY);
  const files = makeAll();
  for (const file of files) writeFileSync(join(FILES_DIRECTORY, file.name), encode(file));
  console.log(`${files.length} files written to ${FILES_DIRECTORY}`);
}
