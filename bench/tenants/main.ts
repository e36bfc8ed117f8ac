/**
 * `npm run bench:tenants -- [options]`: a vault of many tenants beside a small one, in one process and in turns.
 *
 * Owns the vaults, the rounds and what is printed. A get and a data key are of a tenant at random, so that every one is as likely.
 * Timings are never a reason to fail.
 *
 * @module
 */
import { existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { openFileHost, type VaultHost } from "../../src/vault/index.ts";
import { load, machine, versions } from "../lib/machine.ts";
import { REPORT_SCHEMA, writeResult } from "../lib/result-file.ts";
import { quantile } from "../lib/statistics.ts";
import { buildVault, contextOf, nameOf, ROOT_KEY } from "./bulk.ts";
import { type TenantsReport, tenantsMarkdown } from "./report.ts";

const USAGE = `npm run bench:tenants -- [options]

  --contexts N   tenants of the large vault; default 2000 (100,000 is the size of the kept result)
  --values N     values of the large vault; default 10 for each tenant
  --rounds N     rounds in turns; default 15
  --in DIR       where the vaults are made, or found as an earlier run has left them; default a temporary directory, removed
  --name NAME    of the result file; default tenants
  --out DIR      where the result goes; default bench/results
`;

/** Tenants of the vault beside. */
const FEW = 100;
/** Calls of a sample. */
const CALLS = 500;
const OPENINGS = 7;
const ACTOR = { id: "bench", name: "bench", source: "api" } as const;
const MIB = 2 ** 20;

interface Side {
  readonly host: VaultHost;
  /** Makes a data key of a tenant. */
  first(tenant: number): Promise<void>;
  readonly works: Readonly<Record<string, () => Promise<unknown>>>;
}

async function main(): Promise<void> {
  const text = { type: "string" } as const;
  const { values } = parseArgs({
    options: { contexts: text, values: text, rounds: text, in: text, name: text, out: text },
  });
  const contexts = Number(values.contexts ?? 2_000);
  const each = Math.max(1, Math.round(Number(values.values ?? 10 * contexts) / contexts));
  const rounds = Number(values.rounds ?? 15);
  const directory = values.in ?? mkdtempSync(join(tmpdir(), "coffer-tenants-"));
  const startedAt = new Date();
  const before = load();
  try {
    const paths = { few: join(directory, "few.db"), many: join(directory, "many.db") };
    if (!existsSync(paths.few)) await buildVault(paths.few, FEW, each - 1);
    if (!existsSync(paths.many)) await buildVault(paths.many, contexts, each - 1);
    const openMs: number[] = [];
    for (let i = 0; i < OPENINGS; i++) openMs.push(await opening(paths.many));
    const few = await open(paths.few, FEW);
    const start = process.memoryUsage().rss;
    const many = await open(paths.many, contexts);
    // Each tenant once: what can be kept is kept then.
    const cpuBefore = process.cpuUsage();
    for (let tenant = 0; tenant < contexts; tenant++) await many.first(tenant);
    const { user, system } = process.cpuUsage(cpuBefore);
    const rows = [];
    for (const name of Object.keys(few.works)) rows.push(await compare(name, few, many, rounds));
    const report: TenantsReport = {
      schema: REPORT_SCHEMA,
      name: values.name ?? "tenants",
      startedAt: startedAt.toISOString(),
      seconds: Math.round((Date.now() - startedAt.getTime()) / 1000),
      machine: machine(),
      load: { before, after: load() },
      versions: versions(),
      settings: { contexts, values: contexts * each, few: FEW, rounds, calls: CALLS },
      fileMiB: Math.round(statSync(paths.many).size / MIB),
      openMs: { min: quantile(openMs, 0), median: quantile(openMs, 0.5) },
      firstUs: (user + system) / contexts,
      grownMiB: Math.round((process.memoryUsage().rss - start) / MIB),
      rows,
    };
    for (const { host } of [few, many]) await host.close();
    console.log(tenantsMarkdown(report));
    console.error(writeResult(report, values.out ?? join(import.meta.dirname, "..", "results")));
  } finally {
    if (values.in === undefined) rmSync(directory, { recursive: true, force: true });
  }
}

const openAt = (path: string): Promise<VaultHost> =>
  openFileHost({ path, rootKey: ROOT_KEY, onNotice: () => {} });

/** Milliseconds until the first data key. */
async function opening(path: string): Promise<number> {
  const startedAt = performance.now();
  const host = await openAt(path);
  const { id } = await host.environment("default");
  (await host.session(id, { actor: ACTOR }).keys.createDataKey({ context: contextOf(0) })).dispose();
  const took = performance.now() - startedAt;
  await host.close();
  return took;
}

/** Opens a vault of so many tenants. */
async function open(path: string, tenants: number): Promise<Side> {
  const host = await openAt(path);
  const { id } = await host.environment("default");
  const { keys, kv } = host.session(id, { actor: ACTOR });
  const any = (): number => Math.floor(Math.random() * tenants);
  const makeKey = async (tenant: number): Promise<void> =>
    (await keys.createDataKey({ context: contextOf(tenant) })).dispose();
  return {
    host,
    first: makeKey,
    works: {
      get: () => kv.getName({ name: nameOf(any()) }),
      "data key": () => makeKey(any()),
    },
  };
}

async function compare(
  name: string,
  few: Side,
  many: Side,
  rounds: number,
): Promise<TenantsReport["rows"][number]> {
  const us = { few: [] as number[], many: [] as number[] };
  for (let round = 0; round <= rounds; round++) {
    for (const [side, works] of [
      ["few", few.works],
      ["many", many.works],
    ] as const) {
      const cpuBefore = process.cpuUsage();
      for (let i = 0; i < CALLS; i++) await works[name]!();
      const { user, system } = process.cpuUsage(cpuBefore);
      if (round > 0) us[side].push((user + system) / CALLS);
    }
  }
  const ratios = us.many.map((cpu, i) => cpu / us.few[i]!);
  return {
    name,
    fewUs: quantile(us.few, 0.25),
    manyUs: quantile(us.many, 0.25),
    ratio: quantile(ratios, 0.5),
  };
}

await main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n${USAGE}`);
  process.exitCode = 1;
});
