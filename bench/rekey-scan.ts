/**
 * A census of a table beside a bare SELECT of the same values by the same driver.
 *
 * Owns the rounds: one after the other, again and again, so that other programs on the machine slow down both. Must not know
 * which database it is.
 *
 * @module
 */
import { type ScanSource, scan } from "../src/sources/scan/index.ts";
import { quantile } from "./lib/statistics.ts";
import type { RekeyScan } from "./rekey-report.ts";
import type { Store } from "./rekey-stores.ts";

const ROUNDS = 9;

/** @param rows - that are in the table */
export async function measureScan(store: Store, rows: number): Promise<RekeyScan> {
  const { source, close } = await store.scanSource();
  const only: ScanSource = {
    kind: source.kind,
    async *places(signal) {
      for await (const place of source.places(signal)) if (place.name === store.table) yield place;
    },
  };
  const bare: Timed[] = [];
  const census: Timed[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    bare.push(await timed(() => store.bareSelect(), rows));
    census.push(
      await timed(async () => {
        const { places } = await scan(only, { sample: "all" });
        return places.flatMap(({ columns }) => columns).reduce((sum, column) => sum + column.ciphertexts, 0);
      }, rows),
    );
  }
  await close();
  const share = (part: (one: Timed) => number): number =>
    quantile(
      bare.map((one, i) => part(one) / part(census[i]!)),
      0.5,
    );
  const rate = (of: readonly Timed[]): number =>
    Math.round(
      rows /
        quantile(
          of.map(({ seconds }) => seconds),
          0.5,
        ),
    );
  return {
    database: store.name,
    rows,
    rowsPerSecond: rate(census),
    bareRowsPerSecond: rate(bare),
    share: share(({ seconds }) => seconds),
    cpuShare: share(({ cpu }) => cpu),
  };
}

interface Timed {
  readonly seconds: number;
  /** Microseconds of this process. */
  readonly cpu: number;
}

async function timed(work: () => Promise<number>, rows: number): Promise<Timed> {
  const [cpu, begun] = [process.cpuUsage(), performance.now()];
  const seen = await work();
  const seconds = (performance.now() - begun) / 1_000;
  const { user, system } = process.cpuUsage(cpu);
  if (seen !== rows) throw new Error(`only ${seen} of ${rows} rows were read`);
  return { seconds, cpu: user + system };
}
