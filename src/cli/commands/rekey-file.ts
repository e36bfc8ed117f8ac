/**
 * `coffer rekey-file`: an encrypted file's data key under other KEKs.
 *
 * @module
 */
import type { FileHandle } from "node:fs/promises";
import type { Command } from "commander";
import { decodeBase64, encodeBase64 } from "../../crypto/base64.ts";
import {
  encodeNativeHeader,
  NATIVE_HEADER_BYTES_MAX,
  type NativeHeader,
  parseNativeHeader,
} from "../../crypto/native-format.ts";
import { usageError } from "../errors.ts";
import { openOutput, openToRead, STANDARD } from "../file-streams.ts";
import type { Result } from "../format.ts";
import { addContextOptions, bind, type ContextOptions, requiredContext } from "../options.ts";
import { Progress } from "../progress.ts";
import { finishRekey, replaceHeader } from "../rekey-in-place.ts";
import type { Execute } from "../run.ts";
import type { Session } from "../session.ts";

interface Options extends ContextOptions {
  readonly out?: string;
  readonly force?: boolean;
}

/** Bytes that are copied at once. */
const COPY_BYTES = 1024 * 1024;

const HELP = `
The same data key is wrapped for another key context and written into the file's
header; the encrypted data is neither read nor changed. It takes no longer for a
large file than for a small one, unless the new context has another number of
entries: the header then has another length, and the file is copied beside
itself and replaced. Either way an interruption leaves the old file or the new
one; after a crash, the same command finishes what was begun.

Whoever has the KEKs of the old context can still decrypt copies of the old file,
and whoever has had the data key can decrypt both.

Examples:
  $ coffer rekey-file backup.tar.coffer --context organization_id=org_2
  $ coffer rekey-file backup.tar.coffer --out moved.coffer --context organization_id=org_2
`;

export function addRekeyFile(parent: Command, execute: Execute): void {
  const command = parent
    .command("rekey-file")
    .summary("move an encrypted file to another key context")
    .description("Moves an encrypted file to another key context without touching its data.")
    .argument("<file>", "the file, which is changed where it is")
    .addHelpText("after", HELP);
  addContextOptions(command);
  command
    .option("--out <file>", "leave the file as it is and write a new one")
    .option("--force", "let --out replace a file");
  bind(command, execute, rekeyFile);
}

async function rekeyFile(session: Session, options: Options, path: string | undefined): Promise<Result> {
  if (path === undefined || path === "" || path === STANDARD || options.out === STANDARD) {
    throw usageError("rekey-file needs a file: standard input and output cannot be changed in place");
  }
  const context = await requiredContext(options);
  const file = await openToRead(path, options.out === undefined ? "r+" : "r");
  try {
    if (options.out === undefined && (await finishRekey(path, file))) {
      await session.note("a rekey of this file that was interrupted has been finished first");
    }
    const old = await readHeader(file);
    const vault = await session.open();
    using key = await vault.createRekey(
      { context, encryptedKeys: encodeBase64(old.keyBlob) },
      { signal: session.signal },
    );
    const header = encodeNativeHeader(decodeBase64(key.encryptedKeys)!);
    const isInPlace = options.out === undefined && header.length === old.bytes;
    if (isInPlace) await replaceHeader(path, file, header);
    else
      await copyWithHeader(session, file, { header, bodyAt: old.bytes, out: options.out ?? path, options });
    return { view: "", data: () => ({ file: options.out ?? path, isInPlace, dataKeyId: key.id }) };
  } finally {
    await file.close();
  }
}

async function readHeader(file: FileHandle): Promise<NativeHeader> {
  const bytes = new Uint8Array(NATIVE_HEADER_BYTES_MAX);
  const { bytesRead } = await file.read(bytes, 0, bytes.length, 0);
  return parseNativeHeader(bytes.subarray(0, bytesRead));
}

async function copyWithHeader(
  session: Session,
  file: FileHandle,
  to: { header: Uint8Array; bodyAt: number; out: string; options: Options },
): Promise<void> {
  const { size } = await file.stat();
  const progress = new Progress((line) => void session.progress(line), size);
  // Without --out the file itself is replaced.
  const output = await openOutput(to.out, to.options.out === undefined || to.options.force === true);
  try {
    await output.write(to.header);
    const piece = new Uint8Array(COPY_BYTES);
    for (let at = to.bodyAt; at < size; ) {
      session.signal.throwIfAborted();
      const { bytesRead } = await file.read(piece, 0, piece.length, at);
      if (bytesRead === 0) break;
      await output.write(piece.subarray(0, bytesRead));
      at += bytesRead;
      progress.update(at);
    }
    await output.commit();
  } finally {
    output.discard();
    await session.progress();
  }
}
