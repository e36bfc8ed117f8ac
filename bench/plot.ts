/**
 * `npm run bench:plot -- RESULT.json [OUT.svg]`: draws the ratios of a result against the size, as SVG; of a result of
 * runtimes, coffer on each.
 *
 * Owns the picture: both axes logarithmic, one panel per work on the same scale, the floor as a line at 1. Reads
 * nothing but the file. Must not know how it was measured.
 *
 * @module
 */
import { writeFileSync } from "node:fs";
import { basename } from "node:path";
import type { CaseResult } from "./lib/harness.ts";
import type { Report } from "./lib/report.ts";
import { readResult } from "./lib/result-file.ts";
import type { RuntimesReport } from "./runtimes/report.ts";

const WIDTH = 460;
const HEIGHT = 340;
const MARGIN = { left: 48, right: 28, top: 34, bottom: 36 };
const LEGEND_ROW = 18;
const LEGEND_COLUMNS = 3;
/** Told apart in print and by people who do not see red or green (Okabe and Ito's palette, and a grey). */
const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999999"];
/** Competitors that are drawn, in this order; all others would only fill the picture. */
const DRAWN = [
  "coffer lease",
  "coffer lease, many",
  "coffer async",
  "by hand",
  "WorkOS 11, key at hand",
  "WorkOS 11",
];
/** What is drawn of each runtime. */
const DRAWN_OF_RUNTIMES = "coffer sync";
const UNITS: Readonly<Record<string, number>> = { B: 1, KiB: 1024, MiB: 1024 * 1024 };
/** Lines of a decade. */
const STEPS = [1, 2, 5];

interface Point {
  readonly bytes: number;
  readonly label: string;
  readonly ratio: number;
}

type Curves = ReadonlyMap<string, readonly Point[]>;

interface Picture {
  readonly description: string;
  readonly panels: readonly { readonly title: string; readonly curves: Curves }[];
  /** In the order of their colours. */
  readonly names: readonly string[];
  readonly source: string;
}

/** Bytes of a size like "4 KiB"; undefined for others ("1 KiB, mixed"). */
function bytesOf(size: string): number | undefined {
  const match = /^(\d+) (B|KiB|MiB)$/.exec(size);
  return match === null ? undefined : Number(match[1]) * UNITS[match[2]!]!;
}

/** The points of one competitor in cases of one work. */
function pointsOf(cases: readonly CaseResult[], name: string): Point[] {
  return cases
    .flatMap(({ size, competitors }) => {
      const bytes = bytesOf(size);
      const competitor = competitors.find((found) => found.name === name);
      if (bytes === undefined || competitor === undefined) return [];
      return [{ bytes, label: size, ratio: competitor.ratio.median }];
    })
    .toSorted((a, b) => a.bytes - b.bytes);
}

/** The curves of a work; those of batches come from cases of their own. */
function curvesOf(report: Report, word: string): Curves {
  const found = new Map<string, Point[]>();
  for (const name of DRAWN) {
    // One by one, a batch says nothing that single messages have not.
    const isMine = (work: string): boolean =>
      name.endsWith("many") ? work.split(" ")[0] === word : work === word;
    const cases = report.cases.filter(({ suite, work }) => suite === "envelope" && isMine(work));
    const points = pointsOf(cases, name);
    if (points.length > 0) found.set(name, points);
  }
  return found;
}

interface Scale {
  readonly low: number;
  readonly high: number;
  readonly least: number;
  readonly most: number;
}

/** One for all panels, with air above and below. */
function scaleOf(panels: Picture["panels"]): Scale {
  const all = panels.flatMap(({ curves }) => [...curves.values()].flat());
  const AIR = 1.2;
  return {
    low: Math.min(0.5, ...all.map((point) => point.ratio)) / AIR,
    high: Math.max(2, ...all.map((point) => point.ratio)) * AIR,
    least: Math.min(...all.map((point) => point.bytes)),
    most: Math.max(...all.map((point) => point.bytes)),
  };
}

function panelLines(
  { title, curves }: Picture["panels"][number],
  { low, high, least, most }: Scale,
  names: readonly string[],
  left: number,
): string[] {
  const x = (bytes: number): number =>
    left +
    MARGIN.left +
    (Math.log(bytes / least) / Math.log(most / least)) * (WIDTH - MARGIN.left - MARGIN.right);
  const y = (ratio: number): number =>
    HEIGHT -
    MARGIN.bottom -
    (Math.log(ratio / low) / Math.log(high / low)) * (HEIGHT - MARGIN.top - MARGIN.bottom);
  const centre = left + MARGIN.left + (WIDTH - MARGIN.left - MARGIN.right) / 2;
  const out = [`<text x="${centre}" y="20" text-anchor="middle" font-weight="bold">${title}</text>`];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++) {
    for (const step of STEPS) {
      const ratio = Number((step * 10 ** power).toPrecision(1));
      if (ratio < low || ratio > high) continue;
      const at = y(ratio).toFixed(1);
      const style = ratio === 1 ? 'stroke="#000" stroke-width="1.5"' : 'stroke="#ddd"';
      out.push(
        `<line x1="${left + MARGIN.left}" x2="${left + WIDTH - MARGIN.right}" y1="${at}" y2="${at}" ${style}/>`,
        `<text x="${left + MARGIN.left - 6}" y="${(Number(at) + 4).toFixed(1)}" text-anchor="end">${ratio}</text>`,
      );
    }
  }
  for (const [bytes, label] of new Map([...curves.values()].flat().map((p) => [p.bytes, p.label]))) {
    out.push(
      `<text x="${x(bytes).toFixed(1)}" y="${HEIGHT - MARGIN.bottom + 18}" text-anchor="middle">${label}</text>`,
    );
  }
  for (const [name, points] of curves) {
    const colour = COLOURS[names.indexOf(name)]!;
    const line = points.map((point) => [x(point.bytes).toFixed(1), y(point.ratio).toFixed(1)]);
    out.push(
      `<polyline points="${line.map((at) => at.join(",")).join(" ")}" fill="none" stroke="${colour}" stroke-width="2"/>`,
      ...line.map(([cx, cy]) => `<circle cx="${cx}" cy="${cy}" r="3" fill="${colour}"/>`),
    );
  }
  return out;
}

function draw({ description, panels, names, source }: Picture): string {
  const scale = scaleOf(panels);
  const rows = Math.ceil(names.length / LEGEND_COLUMNS);
  const height = HEIGHT + rows * LEGEND_ROW + 26;
  const legend = names.flatMap((name, i) => {
    const left = MARGIN.left + (i % LEGEND_COLUMNS) * 290;
    const top = HEIGHT + 10 + Math.floor(i / LEGEND_COLUMNS) * LEGEND_ROW;
    return [
      `<line x1="${left}" x2="${left + 24}" y1="${top}" y2="${top}" stroke="${COLOURS[i]}" stroke-width="3"/>`,
      `<text x="${left + 30}" y="${top + 4}">${name}</text>`,
    ];
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${2 * WIDTH} ${height}" font-family="sans-serif" font-size="12" role="img" aria-label="${description}">`,
    `<rect width="100%" height="100%" fill="#fff"/>`,
    ...panels.flatMap((panel, i) => panelLines(panel, scale, names, i * WIDTH)),
    ...legend,
    `<text x="${MARGIN.left}" y="${height - 8}" fill="#555">${source}</text>`,
    "</svg>",
    "",
  ].join("\n");
}

const WORKS = ["seal", "open"] as const;

/** The picture of a result. */
export function toSvg(report: Report | RuntimesReport): string {
  const { machine, versions } = report;
  const place = `${machine.cpu}, ${machine.cores} cores. Lower is faster.`;
  const date = report.startedAt.slice(0, 10);
  if ("runtimes" in report) {
    const { runtimes } = report;
    const panels = WORKS.map((work) => ({
      title: `${work}: coffer, times the runtime's bare cipher`,
      curves: new Map(
        runtimes.map(({ name, cases }) => [
          name,
          pointsOf(
            cases.filter((result) => result.work === work),
            DRAWN_OF_RUNTIMES,
          ),
        ]),
      ),
    }));
    return draw({
      description:
        "coffer's processor time on each runtime, as a ratio to its bare cipher, against message size",
      panels,
      names: runtimes.map(({ name }) => name),
      source: `${date}, ${place} Bare is node:crypto; where there is none, Web Crypto, awaited.`,
    });
  }
  const panels = WORKS.map((work) => ({
    title: `${work}: times bare node:crypto`,
    curves: curvesOf(report, work),
  }));
  return draw({
    description: "Ratio to bare node:crypto against message size",
    panels,
    names: DRAWN.filter((name) => panels.some(({ curves }) => curves.has(name))),
    source: `${date}, Node ${versions.node}, ${place}`,
  });
}

if (process.argv[1] !== undefined && basename(process.argv[1]) === "plot.ts") {
  const [input, output] = process.argv.slice(2);
  if (input === undefined) {
    process.stderr.write("npm run bench:plot -- RESULT.json [OUT.svg]\n");
    process.exitCode = 2;
  } else {
    const path = output ?? input.replace(/\.json$/, ".svg");
    writeFileSync(path, toSvg(readResult<Report | RuntimesReport>(input)));
    console.log(path);
  }
}
