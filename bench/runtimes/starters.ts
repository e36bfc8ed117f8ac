/**
 * Which runtimes there are to measure, and where they lie.
 *
 * Owns the list. The Node that runs the benchmark is always among them; the others are packages of bench/runtimes, and
 * Debian's Chromium. Must not know what is measured.
 *
 * @module
 */
import { createRequire } from "node:module";
import { arch } from "node:os";
import { dirname, join } from "node:path";
import { chromiumStarter } from "./hosts/chromium.ts";
import type { Starter } from "./hosts/host.ts";
import { processStarter } from "./hosts/process.ts";
import { workerdStarter } from "./hosts/workerd.ts";

const [MAJOR] = process.versions.node.split(".");
/** The Node that runs this. */
export const HERE = `node-${MAJOR}`;

/** By the name under which one can be chosen. */
export function starters(): ReadonlyMap<string, Starter> {
  const require = createRequire(new URL("package.json", import.meta.url));
  const at = (name: string, path: string): string => {
    try {
      return join(dirname(require.resolve(`${name}/package.json`)), path);
    } catch {
      return join("not installed", name);
    }
  };
  // Bun's own launcher refuses to start without its install script: the binary in the platform's package does not.
  const bun = at(`@oven/bun-linux-${arch() === "arm64" ? "aarch64" : arch()}`, "bin/bun");
  const deno = at(`@deno/linux-${arch()}-glibc`, "deno");
  const workerd = at(`@cloudflare/workerd-linux-${arch() === "x64" ? "64" : arch()}`, "bin/workerd");
  const nodes = new Map([
    ["node-22", processStarter("Node 22", at("node-22", "bin/node"))],
    ["node-26", processStarter("Node 26", at("node-26", "bin/node"))],
    [HERE, processStarter(`Node ${MAJOR}`, process.execPath)],
  ]);
  return new Map([
    ...[...nodes].sort(([a], [b]) => a.localeCompare(b)),
    ["bun", processStarter("Bun", bun)],
    ["deno", processStarter("Deno", deno, ["run", "--allow-all", "--no-config"])],
    ["workerd", workerdStarter("workerd", workerd, ["no_nodejs_compat", "no_nodejs_compat_v2"])],
    ["workerd-node", workerdStarter("workerd, nodejs_compat", workerd, ["nodejs_compat"])],
    ["chromium", chromiumStarter("Chromium", require)],
  ]);
}
