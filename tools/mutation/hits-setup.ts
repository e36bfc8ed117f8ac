/**
 * A setup file of vitest: notes which blocks of the counted files the tests of one file have entered.
 *
 * @module
 */
import { appendFileSync } from "node:fs";
import { afterAll, expect } from "vitest";

afterAll(() => {
  const path = process.env.COFFER_MUTATION_HITS;
  if (path === undefined) return;
  const hits = (globalThis as { __mutationHits?: Set<string> }).__mutationHits ?? new Set();
  appendFileSync(path, `${JSON.stringify({ test: expect.getState().testPath, hits: [...hits] })}\n`);
});
