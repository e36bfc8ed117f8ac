/**
 * Confirmation of what cannot be undone.
 *
 * Owns the question and who may answer it: a person at a terminal, or `--yes`. Must not know what is confirmed.
 *
 * @module
 */
import { CliError } from "../errors.ts";
import { isStderrTerminal, isStdinTerminal, readLine, writeErr } from "../io.ts";
import { visible } from "../output/format.ts";

const canAsk = (): boolean => isStdinTerminal() && isStderrTerminal();

/** Refuses at once, before anything is opened, where neither `--yes` was given nor a person can be asked. */
export function checkConfirmable(isYes: boolean): void {
  if (!isYes && !canAsk()) {
    throw new CliError(
      "ERR_NOT_CONFIRMED",
      "this cannot be undone, and nobody is there to be asked: nothing was changed",
      "--yes confirms it",
    );
  }
}

/**
 * Asks a person to type what is to be lost.
 *
 * @param warning - what will happen
 * @param answer - what must be typed
 * @throws CliError ERR_NOT_CONFIRMED
 */
export async function confirm(warning: string, answer: string): Promise<void> {
  const expected = visible(answer);
  await writeErr(`${warning}\nType ${expected} to confirm: `);
  if ((await readLine()) !== expected) {
    throw new CliError("ERR_NOT_CONFIRMED", "not confirmed: nothing was changed");
  }
}
