/**
 * `npm run soak:root -- [--kills N] [--keks N] [--short]`: the root of a vault is rotated, and the process that does it killed, 50
 * times by default, while another one writes, makes KEKs and rotates them. Each rotation is gone on with until it ends. Then all
 * that was written is read, by the process that ran all the time and by a new one, and the old root key is tried. Every second
 * vault is rotated as if its root had leaked. Exit code 1 if anything is unreadable, or the old root opens the vault.
 *
 * Owns the rounds. One round is that of test/support/root-rotation-kills.ts, which a test runs once.
 *
 * @module
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { killRotations } from "../support/root-rotation-kills.ts";

/** Kills of one rotation at most: it has then come to its end. */
const KILLS_PER_VAULT = 5;
const SHORT = { kills: 10, keks: 300 };

const { values } = parseArgs({
  options: {
    kills: { type: "string", default: "50" },
    keks: { type: "string", default: "1000" },
    short: { type: "boolean", default: false },
  },
});
const [wanted, keks] = values.short ? [SHORT.kills, SHORT.keks] : [Number(values.kills), Number(values.keks)];
const startedAt = performance.now();
let [kills, vaults, written, unreadable, alive] = [0, 0, 0, 0, 0];
while (kills < wanted) {
  const directory = mkdtempSync(join(tmpdir(), "coffer-soak-root-"));
  try {
    const report = await killRotations(join(directory, "vault.db"), {
      keks,
      kills: Math.min(KILLS_PER_VAULT, wanted - kills),
      hasLeaked: vaults % 2 === 1,
    });
    kills += report.kills;
    vaults += 1;
    written += report.written + keks;
    unreadable += report.unreadable;
    alive += report.isOldRootAlive ? 1 : 0;
    console.log(`soak: root: ${kills} kills, ${vaults} vaults: ${unreadable} of ${written} unreadable`);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
const seconds = ((performance.now() - startedAt) / 1_000).toFixed(0);
console.log(
  `soak: root: ${kills} kills of rotations of ${vaults} vaults, ${seconds} s: ${written} data keys and values, ${unreadable} unreadable, ${alive} old roots alive`,
);
process.exitCode = unreadable > 0 || alive > 0 || written === 0 ? 1 : 0;
