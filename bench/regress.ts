/**
 * `npm run bench:regress -- BEFORE [AFTER]`: two commits against each other, in turns within one process (A B A B).
 * AFTER is the working tree unless given.
 *
 * Owns the comparison. Each commit is checked out beside the repository and loaded from there; the second pair of
 * runs shows how far the same code differs from itself, and a difference below that is none. For use by hand: it
 * judges nothing.
 *
 * @module
 */
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type * as Crypto from "../src/crypto/index.ts";
import type * as Keys from "../src/keys/index.ts";
import { ROOT } from "../tools/root.ts";
import { type Competitor, measure } from "./lib/harness.ts";

const SIZES = [16, 256, 1024, 4096, 65536];
const SETTINGS = { rounds: 15, sampleMs: 20, warmUpMs: 200 };

const [before, after] = process.argv.slice(2);
if (before === undefined) {
  process.stderr.write("npm run bench:regress -- BEFORE [AFTER]\n");
  process.exit(2);
}
const directory = mkdtempSync(join(tmpdir(), "coffer-regress-"));
const git = (...args: string[]): string => execFileSync("git", args, { cwd: ROOT, encoding: "utf8" });

/** A commit's files, with this repository's packages. */
function checkOut(commit: string, name: string): string {
  const path = join(directory, name);
  git("worktree", "add", "--detach", path, commit);
  symlinkSync(join(ROOT, "node_modules"), join(path, "node_modules"));
  return path;
}

async function load(path: string, raw: Uint8Array, encryptedKeys: string) {
  const from = (file: string): Promise<unknown> => import(pathToFileURL(join(path, "src", file)).href);
  const { DataKey } = (await from("crypto/index.ts")) as typeof Crypto;
  const { Lease } = (await from("keys/index.ts")) as typeof Keys;
  const key = new DataKey({ id: "bench", key: Uint8Array.from(raw), encryptedKeys });
  return new Lease(key, { maxMessages: 2 ** 32, maxBytes: 2 ** 50 });
}

try {
  const raw = randomBytes(32);
  const blob = Buffer.concat([Buffer.from("WOS.EKM.v1\0", "latin1"), randomBytes(195)]).toString("base64");
  const a = await load(checkOut(before, "a"), raw, blob);
  const b = await load(after === undefined ? ROOT : checkOut(after, "b"), raw, blob);
  console.log(`A = ${before}, B = ${after ?? "the working tree"}; times A, processor time, median (best)`);
  for (const work of ["seal", "open"] as const) {
    for (const size of SIZES) {
      const text = Buffer.from(randomBytes(size).toString("base64").slice(0, size)).toString();
      const competitor = (name: string, lease: typeof a): Competitor => {
        const sealed = lease.encryptSync(text);
        const call = work === "seal" ? () => lease.encryptSync(text) : () => lease.decryptSync(sealed);
        return { name, call, isAsync: false };
      };
      const { competitors } = await measure(
        {
          suite: "regress",
          work,
          size: `${size} B`,
          clock: "cpu",
          competitors: [
            competitor("A", a),
            competitor("B", b),
            competitor("A again", a),
            competitor("B again", b),
          ],
          async check() {
            if (b.decryptSync(a.encryptSync(text)) !== text || a.decryptSync(b.encryptSync(text)) !== text) {
              throw new Error("the commits do not read each other");
            }
          },
        },
        SETTINGS,
      );
      const floor = competitors[0]!.cpu.ns.min;
      const cells = competitors
        .slice(1)
        .map(
          ({ name, cpu, ratio }) => `${name} ${ratio.median.toFixed(2)} (${(cpu.ns.min / floor).toFixed(2)})`,
        );
      console.log(`${work} ${size} B: ${cells.join(", ")}`);
    }
  }
} finally {
  rmSync(directory, { recursive: true, force: true });
  git("worktree", "prune");
}
