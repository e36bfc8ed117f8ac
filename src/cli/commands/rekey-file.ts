/**
 * `coffer rekey-file`: an encrypted file's data key under other KEKs.
 *
 * @module
 */

import { realpathSync } from "node:fs";
import { decodeBase64, encodeBase64 } from "../../base/base64.ts";
import {
  encodeNativeHeader,
  NATIVE_HEADER_BYTES_MAX,
  parseNativeHeader,
} from "../../crypto/native/format.ts";
import {
  type Action,
  CONTEXT_OPTIONS,
  type ContextOptions,
  option,
  requiredContext,
  type Verb,
} from "../command.ts";
import type { CommandRun } from "../command-run.ts";
import { usageError } from "../errors.ts";
import { type OpenFile, openOutput, openToRead, STANDARD } from "../files/file-streams.ts";
import { checkHeaderWhole, finishRekey, replaceHeader } from "../files/rekey-in-place.ts";
import { readAt } from "../files/rekey-journal.ts";
import { Progress } from "../output/progress.ts";
import { checkNotAt, hintingAtTexts } from "./files.ts";

interface Options extends ContextOptions {
  readonly out?: string;
  readonly force?: boolean;
}

/** Bytes that are copied at once. */
const COPY_BYTES = 1024 * 1024;

const rekeyFile: Action<Options> = async (run, options, given) => {
  if (given === undefined || given === "" || given === STANDARD || options.out === STANDARD) {
    throw usageError("rekey-file needs a file: standard input and output cannot be changed in place");
  }
  if (options.out === "") throw usageError("--out needs the name of a file");
  checkNotAt(given);
  const context = await requiredContext(options);
  const isCopy = options.out !== undefined;
  if (isCopy) checkHeaderWhole(given);
  const file = await openToRead(given, isCopy ? "r" : "r+");
  try {
    if (!file.stats.isFile())
      throw usageError("rekey-file needs a plain file: a pipe or a device has no header");
    // What a link points to is changed, not the link.
    const path = isCopy ? given : realpathSync(given);
    if (!isCopy) await endInterrupted(run, path, file);
    const old = await hintingAtTexts(async () => readHeader(file));
    const vault = await run.open();
    const request = { context, encryptedKeys: encodeBase64(old.keyBlob) };
    using key = await vault.createRekey(request, { signal: run.signal });
    const header = encodeNativeHeader(decodeBase64(key.encryptedKeys)!);
    const isInPlace = !isCopy && header.length === old.header.length;
    const to = { header, bodyAt: old.header.length, out: options.out ?? path, options };
    if (isInPlace) replaceHeader(path, file.fd, old.header, header);
    else await copyWithHeader(run, file, to);
    return { view: "", data: () => ({ file: options.out ?? given, isInPlace, dataKeyId: key.id }) };
  } finally {
    await file.close();
  }
};

/** `coffer rekey-file`. */
export const REKEY_FILE: Verb = {
  name: "rekey-file",
  summary: "move an encrypted file to another key context",
  description: "Moves an encrypted file to another key context without touching its data.",
  arguments: [["<file>", "the file, which is changed where it is"]],
  options: [
    ...CONTEXT_OPTIONS,
    option("--out <file>", "leave the file as it is and write a new one"),
    option("--force", "let --out replace a file"),
  ],
  help: `
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
`,
  run: rekeyFile,
};

async function endInterrupted(run: CommandRun, path: string, file: OpenFile): Promise<void> {
  const note = INTERRUPTED[finishRekey(path, file.fd)];
  if (note !== undefined) await run.note(note);
}

const INTERRUPTED: Partial<Readonly<Record<ReturnType<typeof finishRekey>, string>>> = {
  finished: "a rekey of this file that was interrupted has been finished first",
  undone: "a rekey of this file was interrupted before it changed anything: the file is as it was before it",
  stale:
    "the journal of an interrupted rekey is about another file than the one that stands here now: it was removed",
};

function readHeader(file: OpenFile): { readonly header: Uint8Array; readonly keyBlob: Uint8Array } {
  const head = readAt(file.fd, 0, NATIVE_HEADER_BYTES_MAX);
  const { bytes, keyBlob } = parseNativeHeader(head);
  return { header: head.subarray(0, bytes), keyBlob };
}

async function copyWithHeader(
  run: CommandRun,
  file: OpenFile,
  to: { header: Uint8Array; bodyAt: number; out: string; options: Options },
): Promise<void> {
  const { size } = file.stats;
  const progress = new Progress((line) => void run.progress(line), size);
  await run.tellLeftFiles(to.out);
  // Without --out the file itself is replaced: owner and permissions stay.
  const isReplaced = to.options.out === undefined;
  const output = openOutput(to.out, {
    replace: isReplaced || to.options.force === true,
    keepMode: isReplaced,
  });
  try {
    await output.write(to.header);
    const piece = new Uint8Array(COPY_BYTES);
    let at = to.bodyAt;
    for (;;) {
      run.signal.throwIfAborted();
      const { bytesRead } = await file.read(piece, 0, piece.length, at);
      if (bytesRead === 0) break;
      await output.write(piece.subarray(0, bytesRead));
      at += bytesRead;
      progress.update(at);
    }
    await file.checkUnchanged(at);
    await output.commit();
  } finally {
    output.discard();
    await run.progress();
  }
}
