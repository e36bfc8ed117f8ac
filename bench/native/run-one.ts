/**
 * One competitor at one work on one file, in a process of its own, so that its memory is its own.
 *
 * Owns the clock and the look at the memory. Prints one line of JSON.
 *
 * @module
 */
import { closeSync, openSync, writeSync } from "node:fs";
import { setImmediate as turn } from "node:timers/promises";
import { competitorNamed, type Take, type Work } from "./competitors.ts";

export interface Sample {
  /** Bytes of plaintext a second, by the wall's clock and by the processor's (all threads). */
  readonly bytesPerSecond: number;
  readonly bytesPerCpuSecond: number;
  /** Resident memory in bytes: before the work, when all code was loaded and warm, and at most. */
  readonly rssBefore: number;
  readonly rssPeak: number;
}

const [, , name, work, path, warmUpPath, plaintextBytes, minMs, outPath] = process.argv as string[] as [
  string,
  string,
  string,
  Work | "make",
  string,
  string,
  string,
  string,
  string | undefined,
];

const KIB = 1024;
/** Milliseconds until all code is optimised and the heap has its size. */
const WARM_UP_MS = 1_500;
const competitor = await competitorNamed(name);

async function once(from: string, take: Take, what: Work): Promise<void> {
  const fd = openSync(from, "r");
  try {
    await competitor[what](fd, from, take);
  } finally {
    closeSync(fd);
  }
}

if (work === "make") {
  // Keeps what comes out: the file that the others decrypt.
  const out = openSync(outPath!, "w");
  await once(path, (bytes) => writeSync(out, bytes), "encrypt");
  closeSync(out);
} else {
  let bytes = 0;
  const take: Take = (piece) => {
    bytes += piece.length;
  };
  const warmUntil = performance.now() + WARM_UP_MS;
  while (performance.now() < warmUntil) await once(warmUpPath, take, work);
  await turn();
  const rssBefore = process.memoryUsage.rss();
  const cpu = process.cpuUsage();
  const start = performance.now();
  let calls = 0;
  do {
    await once(path, take, work);
    calls += 1;
  } while (performance.now() - start < Number(minMs));
  const seconds = (performance.now() - start) / 1e3;
  const { user, system } = process.cpuUsage(cpu);
  const done = calls * Number(plaintextBytes);
  const sample: Sample = {
    bytesPerSecond: done / seconds,
    bytesPerCpuSecond: done / ((user + system) / 1e6),
    rssBefore,
    rssPeak: process.resourceUsage().maxRSS * KIB,
  };
  if (bytes === 0) throw new Error("nothing came out");
  console.log(JSON.stringify(sample));
}
