/**
 * The result of measuring runtimes, for people: first what coffer costs on each, then each by itself.
 *
 * Owns these tables. Must not know how they were measured.
 *
 * @module
 */
import type { CaseResult, CompetitorResult } from "../lib/harness.ts";
import { caseTables, digits, duration, type Header, headLines, table } from "../lib/report.ts";
import { type RuntimeResult, SEALED_SUITE } from "./suite.ts";

export interface RuntimesReport extends Header {
  readonly runtimes: readonly RuntimeResult[];
  readonly skipped: readonly { readonly name: string; readonly why: string }[];
}

/** Competitors of the first tables, in this order. */
const SUMMARY = ["coffer sync", "coffer async", "noble"] as const;

/** The tables of a result of runtimes, whichever it is. */
export function showRuntimes(report: RuntimesReport): string {
  const isSealed = report.runtimes.some(({ cases }) => cases.some(({ suite }) => suite === SEALED_SUITE));
  return isSealed ? sealedRuntimesMarkdown(report) : runtimesMarkdown(report);
}

/** What is sealed to a recipient: the processor time of a message, by each way and runtime. */
function sealedRuntimesMarkdown(report: RuntimesReport): string {
  const { runtimes } = report;
  const names = new Set(
    runtimes.flatMap(({ cases }) => cases.flatMap((one) => one.competitors.map(({ name }) => name))),
  );
  const cell = (cases: readonly CaseResult[], work: string, name: string): string => {
    const competitors = cases.find((result) => result.work === work)?.competitors;
    const found = competitors?.find((competitor) => competitor.name === name);
    return found === undefined ? "-" : summaryCell(found, competitors![0]!);
  };
  return [
    ...head(report),
    "Processor time of a message of 200 bytes, best sample; in brackets times an ordinary lease on the same runtime.",
    "",
    ...(["seal", "open"] as const).flatMap((work) => [
      `## ${work}`,
      "",
      ...table([
        ["", ...runtimes.map(({ name }) => name)],
        ...[...names].map((name) => [name, ...runtimes.map(({ cases }) => cell(cases, work, name))]),
      ]),
      "",
    ]),
    ...runtimes.flatMap(({ name, cases }) => [`## ${name}`, "", ...caseTables(cases, "###")]),
  ].join("\n");
}

function head(report: RuntimesReport): string[] {
  return [
    ...headLines(report, []),
    ...report.runtimes.map(({ name, about }) => `- ${name}: ${about.engine}`),
    ...report.skipped.map(({ name, why }) => `- not measured: ${name}, ${why}`),
    "",
  ];
}

export function runtimesMarkdown(report: RuntimesReport): string {
  const { runtimes } = report;
  return [
    ...head(report),
    ...(["seal", "open"] as const).flatMap((work) => summary(runtimes, work)),
    ...runtimes.flatMap(({ name, about, cases }) => [
      `## ${name}`,
      "",
      `${about.hasNodeCrypto ? "node:crypto and Web Crypto" : "Web Crypto"}; ${about.hasBuffer ? "Buffer" : "no Buffer"}; ${about.hasWasm ? "WebAssembly" : "no WebAssembly"}.`,
      "",
      ...caseTables(cases, "###"),
    ]),
  ].join("\n");
}

/** Processor time of one message by each runtime, and what its own cryptography takes. */
function summary(runtimes: readonly RuntimeResult[], work: string): string[] {
  const columns = runtimes.map(({ name, cases }) => ({
    name,
    cases: cases.filter((result) => result.work === work),
  }));
  const sizes = new Set(columns.flatMap(({ cases }) => cases.map(({ size }) => size)));
  const cell = (cases: readonly CaseResult[], size: string, name: string | undefined): string => {
    const competitors = cases.find((result) => result.size === size)?.competitors;
    const found = competitors?.find((competitor) => name === undefined || competitor.name === name);
    return found === undefined ? "-" : summaryCell(found, competitors![0]!);
  };
  const rows = (name: string | undefined): string[][] =>
    [...sizes].map((size) => [size, ...columns.map(({ cases }) => cell(cases, size, name))]);
  return [
    `## ${work}, on all runtimes`,
    "",
    "Processor time of a message, best sample; in brackets times the runtime's own cipher without any text (`bare`: `node:crypto`, or Web Crypto where there is no `node:crypto`).",
    "",
    ...[undefined, ...SUMMARY].flatMap((name) => [
      `**${name ?? "bare"}**`,
      "",
      ...table([["", ...columns.map((column) => column.name)], ...rows(name)]),
      "",
    ]),
  ];
}

function summaryCell(competitor: CompetitorResult, baseline: CompetitorResult): string {
  const best = duration(competitor.cpu.ns.min);
  return competitor === baseline ? best : `${best} (${digits(competitor.cpu.ns.min / baseline.cpu.ns.min)})`;
}
