/**
 * The check that no part of coffer grows beyond its limit.
 *
 * Owns the comparison. The table is in parts.ts.
 *
 * @module
 */
import { bundle, cofferSources } from "./bundle.ts";
import { PARTS } from "./parts.ts";

/** @returns one line for each part that is too large */
export async function checkSizes(root: string): Promise<string[]> {
  const plugins = cofferSources(root);
  const problems: string[] = [];
  for (const { name, code, bytesMax } of PARTS) {
    const { gzippedBytes, files } = await bundle(code, root, plugins);
    if (gzippedBytes <= bytesMax) continue;
    const largest = files.slice(0, 5).map(({ path, bytes }) => `${path} ${bytes}`);
    problems.push(
      `${name} has ${gzippedBytes} bytes, minified and gzipped; at most ${bytesMax} (tools/sizes/parts.ts). ` +
        `Largest files, minified: ${largest.join(", ")}`,
    );
  }
  return problems;
}
