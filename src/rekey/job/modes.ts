/**
 * The table of modes.
 *
 * Owns what modes there are. A new mode is its row, and its place here.
 *
 * @module
 */
import { invalidType } from "../../errors.ts";
import type { JobMode, Mode } from "./mode.ts";
import { BIND, RE_ENCRYPT, UPGRADE } from "./sealing-modes.ts";
import { REKEY, REWRAP } from "./splice-modes.ts";

const ROWS: readonly Mode[] = [REWRAP, REKEY, RE_ENCRYPT, UPGRADE, BIND];

/** The names of all modes. */
export const JOB_MODES: readonly JobMode[] = ROWS.map(({ name }) => name);

/** The mode of a name. @throws TypeError ERR_INVALID_ARGUMENT */
export function modeOf(name: JobMode): Mode {
  const mode = ROWS.find((row) => row.name === name);
  if (mode === undefined) throw invalidType(`mode must be one of ${JOB_MODES.join(", ")}`);
  return mode;
}
