/**
 * Kinds of projects that coffer is installed into, and what each does with it.
 *
 * Owns the order of the table. The rows are in kinds/, their shape in kinds/kind.ts.
 *
 * @module
 */
import { bundlers, modules } from "./kinds/bundlers.ts";
import { checkers } from "./kinds/checkers.ts";
import { examples } from "./kinds/examples.ts";
import { frameworks } from "./kinds/frameworks.ts";
import type { Kind } from "./kinds/kind.ts";
import { installed, nodes } from "./kinds/nodes.ts";
import { runtimes } from "./kinds/runtimes.ts";
import { commonJs, typescripts } from "./kinds/typescript.ts";

/** Every kind, in the order of the table. */
export const KINDS: readonly Kind[] = [
  ...nodes(),
  ...typescripts(),
  ...commonJs(),
  ...bundlers(),
  ...modules(),
  ...runtimes(),
  ...frameworks(),
  ...examples(),
  ...installed(),
  ...checkers(),
];
