/**
 * How often functions of src/ run during a call, as V8 counts them: nothing in the code takes part in it.
 *
 * @module
 */
import { type Profiler, Session } from "node:inspector/promises";

/**
 * Runs `work` and counts.
 *
 * @param names - functions by their names
 * @returns calls of each; 0 for one that did not run
 */
export async function callCounts<Name extends string>(
  names: readonly Name[],
  work: () => unknown,
): Promise<Record<Name, number>> {
  const session = new Session();
  session.connect();
  try {
    await session.post("Profiler.enable");
    await session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: false });
    await work();
    const { result } = await session.post("Profiler.takePreciseCoverage");
    return Object.fromEntries(names.map((name) => [name, callsOf(result, name)])) as Record<Name, number>;
  } finally {
    await session.post("Profiler.stopPreciseCoverage");
    session.disconnect();
  }
}

function callsOf(scripts: readonly Profiler.ScriptCoverage[], name: string): number {
  return scripts
    .filter(({ url }) => url.includes("/src/"))
    .flatMap(({ functions }) => functions)
    .filter(({ functionName }) => functionName === name)
    .reduce((sum, { ranges }) => sum + ranges[0]!.count, 0);
}
