/**
 * A secret that a person types: asked for, and not shown.
 *
 * Owns the terminal while that lasts, and gives it back. Must not know what the secret is for.
 *
 * @module
 */
import { usageError } from "../errors.ts";
import { writeErr } from "../io.ts";

const ENTER: readonly number[] = [0x0a, 0x0d];
const ERASE: readonly number[] = [0x08, 0x7f];
const ERASE_LINE = 0x15;
const END_OF_INPUT = 0x04;
/** What a terminal that passes everything on no longer makes signals of. */
const SIGNALS: Readonly<Record<number, NodeJS.Signals>> = { 3: "SIGINT", 28: "SIGQUIT" };
const SPACE = 0x20;
const TAB = 0x09;

/**
 * Reads one line from the terminal without showing it.
 *
 * @param what - names it in the prompt
 * @param bytesMax - more are refused
 * @returns the line's bytes, without its end
 * @throws CliError ERR_USAGE for none, several lines, keys that are no text, or too many bytes
 */
export async function readHidden(what: string, bytesMax: number): Promise<Uint8Array> {
  const { stdin } = process;
  const line: number[] = [];
  // Before the prompt: a quick answer would be shown.
  stdin.setRawMode(true);
  try {
    await writeErr(`Type the ${what}, which is not shown, and Enter: `);
    for await (const chunk of stdin as AsyncIterable<Uint8Array>) {
      for (const [at, byte] of chunk.entries()) {
        const signal = SIGNALS[byte];
        if (signal !== undefined) process.kill(process.pid, signal);
        else if (ENTER.includes(byte)) {
          // A person's Enter comes alone; more behind it was pasted, and would be cut off.
          if (chunk.subarray(at).some((rest) => !ENTER.includes(rest))) throw severalLines();
          return Uint8Array.from(line);
        } else if (byte === END_OF_INPUT) {
          if (line.length === 0) throw usageError(`no ${what} was given`);
          return Uint8Array.from(line);
        } else if (ERASE.includes(byte)) eraseCharacter(line);
        else if (byte === ERASE_LINE) line.length = 0;
        else if (byte < SPACE && byte !== TAB) throw usageError("that key is no text", FROM_FILE);
        else line.push(byte);
      }
      if (line.length > bytesMax) throw usageError(`the ${what} has more than ${bytesMax} bytes`);
    }
    throw usageError(`no ${what} was given`);
  } finally {
    line.fill(0);
    stdin.setRawMode(false);
    await writeErr("\n");
  }
}

const FROM_FILE = "give it as @FILE, or pipe it in";

function severalLines() {
  return usageError("more than one line was given: nothing was taken", FROM_FILE);
}

/** Takes the last character away: all bytes of its UTF-8. */
function eraseCharacter(line: number[]): void {
  while (line.length > 0 && (line.pop()! & 0xc0) === 0x80);
}
