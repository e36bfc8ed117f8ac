/**
 * `npm run bench:regress -- BEFORE [AFTER] [--only TEXT] [--quick]`: two commits against each other, in turns (A B A B).
 * AFTER is the working tree unless given; TEXT is a group, or one and a part of a work's name.
 *
 * Owns the comparison. Each commit is checked out beside the repository and loaded from there; the second pair of
 * runs shows how far the same code differs from itself, and a difference below that is none. For use by hand: it
 * judges nothing.
 *
 * @module
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ROOT } from "../../tools/root.ts";
import { compare, type Settings } from "../lib/harness.ts";
import { stopAll } from "../load/servers.ts";
import { batchGroup } from "./batches.ts";
import { envelopeGroup } from "./envelope.ts";
import { serviceGroup } from "./service.ts";
import type { Group, Side } from "./side.ts";
import { vaultGroup } from "./vault.ts";

const USAGE = `npm run bench:regress -- BEFORE [AFTER] [options]

  --only TEXT   one group (envelope, batches, vault, service), or the works whose names have this in them
  --quick       one short round: does it run? Its numbers mean nothing
`;

interface GroupRow {
  readonly make: (side: Side) => Promise<Group>;
  readonly settings: Settings;
}

const GROUPS: Readonly<Record<string, GroupRow>> = {
  envelope: { make: envelopeGroup, settings: { rounds: 15, sampleMs: 20, warmUpMs: 200 } },
  batches: { make: batchGroup, settings: { rounds: 11, sampleMs: 60, warmUpMs: 400 } },
  // Many short samples: some of them run undisturbed.
  vault: { make: vaultGroup, settings: { rounds: 60, sampleMs: 4, warmUpMs: 300 } },
  service: { make: serviceGroup, settings: { rounds: 9, sampleMs: 150, warmUpMs: 1_000 } },
};
const QUICK: Settings = { rounds: 1, sampleMs: 1, warmUpMs: 1 };

const { values, positionals } = parseArgs({
  options: { only: { type: "string" }, quick: { type: "boolean", default: false } },
  allowPositionals: true,
});
const [before, after] = positionals;
if (before === undefined || positionals.length > 2) {
  process.stderr.write(USAGE);
  process.exit(2);
}
const directory = mkdtempSync(join(tmpdir(), "coffer-regress-"));
const git = (...args: string[]): string => execFileSync("git", args, { cwd: ROOT, encoding: "utf8" });

/** A commit's files, with this repository's packages; the working tree without one. */
function checkOut(commit: string | undefined, name: string): Side {
  const scratch = join(directory, `${name}-vaults`);
  mkdirSync(scratch);
  if (commit === undefined) return { path: ROOT, scratch };
  const path = join(directory, name);
  git("worktree", "add", "--quiet", "--detach", path, commit);
  symlinkSync(join(ROOT, "node_modules"), join(path, "node_modules"));
  return { path, scratch };
}

async function run(
  group: GroupRow,
  isWanted: (work: string) => boolean,
  sides: readonly Side[],
): Promise<void> {
  const made: Group[] = [];
  try {
    for (const side of sides) made.push(await group.make(side));
    const [a, b] = made as [Group, Group];
    for (const [i, { name }] of a.works.entries()) {
      if (!isWanted(name)) continue;
      const samplers = ["A", "B", "A again", "B again"].map((column, at) =>
        (at % 2 === 0 ? a : b).works[i]!.sampler(column),
      );
      const subject = { suite: "regress", work: name, size: "", clock: "cpu" } as const;
      const { competitors } = await compare(subject, samplers, values.quick ? QUICK : group.settings);
      const floor = competitors[0]!.cpu.ns.min;
      const cells = competitors.map(
        ({ name, cpu, ratio }) =>
          `${name} ${(cpu.ns.median / 1e3).toPrecision(3)} µs x${ratio.median.toFixed(2)} (${(cpu.ns.min / floor).toFixed(2)})`,
      );
      console.log(`${name}: ${cells.join(", ")}`);
    }
  } finally {
    for (const { close } of made) await close();
  }
}

process.once("exit", () => stopAll("SIGKILL"));
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));
try {
  const sides = [checkOut(before, "a"), checkOut(after, "b")];
  console.log(`A = ${before}, B = ${after ?? "the working tree"}; processor time, times A: median (best)`);
  const [wantedGroup, text = ""] = values.only?.split(":") ?? [];
  for (const [name, group] of Object.entries(GROUPS)) {
    if (wantedGroup !== undefined && wantedGroup !== name) continue;
    await run(group, (work) => work.includes(text), sides);
  }
} finally {
  rmSync(directory, { recursive: true, force: true });
  git("worktree", "prune");
}
