/**
 * A runtime that was started, as the runner sees it.
 *
 * Owns the shape, and what all hosts need to start programs that end with this process.
 *
 * @module
 */
import { existsSync } from "node:fs";
import type { Answer, Question } from "../protocol.ts";

export interface Host {
  /** For people: "Node 26". */
  readonly name: string;
  /** The processes whose time counts. */
  readonly pids: readonly number[];
  /** False where the runtime's clock stands still while code runs: the time is then taken from outside. */
  readonly hasClock: boolean;
  ask<Q extends Question>(question: Q): Promise<Answer<Q>>;
  close(): Promise<void>;
}

/** Starts a host on the bundle of its entry. */
export interface Starter {
  readonly name: string;
  /** Which of the program's entries it takes. */
  readonly entry: "entry-process" | "entry-worker" | "entry-page";
  /** What is missing to start it; undefined if nothing is. */
  readonly missing: string | undefined;
  start(bundle: string, directory: string): Promise<Host>;
}

/** Milliseconds that a host may take to answer; the longest sample takes a second. */
export const ANSWER_MS_MAX = 120_000;
/** Milliseconds to start. */
export const START_MS_MAX = 30_000;

/** Takes an answer off the wire. @throws what the program threw */
export function unwrap<Q extends Question>(name: string, reply: unknown): Answer<Q> {
  const { answer, error } = reply as { answer?: Answer<Q>; error?: string };
  if (error !== undefined) throw new Error(`${name}: ${error}`);
  return answer as Answer<Q>;
}

const SETPRIV = "/usr/bin/setpriv";

/**
 * A command that also ends when this process is killed and cannot tell it: Linux's parent-death signal, where
 * util-linux is installed.
 */
export function endingWithParent(command: string, args: readonly string[]): [string, string[]] {
  return existsSync(SETPRIV)
    ? [SETPRIV, ["--pdeathsig", "KILL", "--", command, ...args]]
    : [command, [...args]];
}

/** @throws Error after `ms` milliseconds */
export async function within<T>(ms: number, what: string, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} took more than ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
