/**
 * `npm run bench:plot -- RESULT.json [OUT.svg]`: draws the ratios of a result against the size, as SVG.
 *
 * Owns the picture: both axes logarithmic, one panel per work, the floor as a line at 1. Reads nothing but the
 * file. Must not know how it was measured.
 *
 * @module
 */
import { readFileSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import type { Report } from "./lib/report.ts";

const WIDTH = 460;
const HEIGHT = 340;
const MARGIN = { left: 52, right: 16, top: 34, bottom: 36 };
const LEGEND_ROW = 18;
/** Told apart in print and by people who do not see red or green (Okabe and Ito's palette). */
const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"];
/** Competitors that are drawn, in this order; all others would only fill the picture. */
const DRAWN = [
  "coffer lease",
  "coffer lease, many",
  "coffer async",
  "by hand",
  "WorkOS 11, key at hand",
  "WorkOS 11",
];
const UNITS: Readonly<Record<string, number>> = { B: 1, KiB: 1024, MiB: 1024 * 1024 };

interface Point {
  readonly bytes: number;
  readonly label: string;
  readonly ratio: number;
}

/** Bytes of a size like "4 KiB"; undefined for others ("1 KiB, mixed"). */
function bytesOf(size: string): number | undefined {
  const match = /^(\d+) (B|KiB|MiB)$/.exec(size);
  return match === null ? undefined : Number(match[1]) * UNITS[match[2]!]!;
}

/** The curves of the works that begin with a word ("seal", also "seal 1000"). */
function curves(report: Report, word: string): Map<string, Point[]> {
  const found = new Map<string, Point[]>();
  for (const { suite, work, size, clock, competitors } of report.cases) {
    const bytes = bytesOf(size);
    if (suite !== "envelope" || work.split(" ")[0] !== word || bytes === undefined) continue;
    for (const competitor of competitors) {
      const { name } = competitor;
      // One by one, a batch says nothing that single messages have not.
      if (!DRAWN.includes(name) || (work !== word && name !== "coffer lease, many")) continue;
      const points = found.get(name) ?? [];
      found.set(name, points);
      points.push({ bytes, label: size, ratio: competitor[clock].ratio.median });
    }
  }
  return found;
}

function panel(report: Report, word: string, left: number): string[] {
  const found = curves(report, word);
  const all = [...found.values()].flat();
  const [least, most] = [Math.min(...all.map((p) => p.bytes)), Math.max(...all.map((p) => p.bytes))];
  const low = Math.min(0.1, ...all.map((p) => p.ratio));
  const high = Math.max(10, ...all.map((p) => p.ratio));
  const x = (bytes: number): number =>
    left +
    MARGIN.left +
    (Math.log(bytes / least) / Math.log(most / least)) * (WIDTH - MARGIN.left - MARGIN.right);
  const y = (ratio: number): number =>
    HEIGHT -
    MARGIN.bottom -
    (Math.log(ratio / low) / Math.log(high / low)) * (HEIGHT - MARGIN.top - MARGIN.bottom);
  const out = [
    `<text x="${left + WIDTH / 2}" y="20" text-anchor="middle" font-weight="bold">${word}: times bare node:crypto</text>`,
  ];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++) {
    const ratio = 10 ** power;
    if (ratio < low) continue;
    const at = y(ratio).toFixed(1);
    const style = power === 0 ? 'stroke="#000" stroke-width="1.5"' : 'stroke="#ddd"';
    out.push(
      `<line x1="${left + MARGIN.left}" x2="${left + WIDTH - MARGIN.right}" y1="${at}" y2="${at}" ${style}/>`,
      `<text x="${left + MARGIN.left - 6}" y="${Number(at) + 4}" text-anchor="end">${ratio}</text>`,
    );
  }
  for (const [bytes, label] of new Map(all.map((point) => [point.bytes, point.label]))) {
    out.push(
      `<text x="${x(bytes).toFixed(1)}" y="${HEIGHT - MARGIN.bottom + 18}" text-anchor="middle">${label}</text>`,
    );
  }
  for (const [name, points] of found) {
    const colour = COLOURS[DRAWN.indexOf(name)]!;
    const line = points
      .toSorted((a, b) => a.bytes - b.bytes)
      .map((point) => `${x(point.bytes).toFixed(1)},${y(point.ratio).toFixed(1)}`);
    out.push(`<polyline points="${line.join(" ")}" fill="none" stroke="${colour}" stroke-width="2"/>`);
    for (const at of line) {
      const [cx, cy] = at.split(",");
      out.push(`<circle cx="${cx}" cy="${cy}" r="3" fill="${colour}"/>`);
    }
  }
  return out;
}

/** The picture of a result. */
export function toSvg(report: Report): string {
  const names = DRAWN.filter((name) =>
    report.cases.some((result) => result.competitors.some((competitor) => competitor.name === name)),
  );
  const rows = Math.ceil(names.length / 3);
  const height = HEIGHT + rows * LEGEND_ROW + 26;
  const legend = names.flatMap((name, i) => {
    const [left, top] = [MARGIN.left + (i % 3) * 290, HEIGHT + 10 + Math.floor(i / 3) * LEGEND_ROW];
    const colour = COLOURS[DRAWN.indexOf(name)]!;
    return [
      `<line x1="${left}" x2="${left + 24}" y1="${top}" y2="${top}" stroke="${colour}" stroke-width="3"/>`,
      `<text x="${left + 30}" y="${top + 4}">${name}</text>`,
    ];
  });
  const { machine, versions } = report;
  const source = `${report.startedAt.slice(0, 10)}, Node ${versions.node}, ${machine.cpu}, ${machine.cores} cores. Lower is faster.`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${2 * WIDTH} ${height}" font-family="sans-serif" font-size="12" role="img" aria-label="Ratio to bare node:crypto against message size">`,
    `<rect width="100%" height="100%" fill="#fff"/>`,
    ...panel(report, "seal", 0),
    ...panel(report, "open", WIDTH),
    ...legend,
    `<text x="${MARGIN.left}" y="${height - 8}" fill="#555">${source}</text>`,
    "</svg>",
    "",
  ].join("\n");
}

if (process.argv[1] !== undefined && basename(process.argv[1]) === "plot.ts") {
  const [input, output] = process.argv.slice(2);
  if (input === undefined) {
    process.stderr.write("npm run bench:plot -- RESULT.json [OUT.svg]\n");
    process.exitCode = 2;
  } else {
    const path = output ?? input.replace(/\.json$/, ".svg");
    writeFileSync(path, toSvg(JSON.parse(readFileSync(input, "utf8")) as Report));
    console.log(path);
  }
}
