/**
 * The packed tarball, installed into an empty folder without a network.
 *
 * Owns packing, and what a package manager would put beside coffer: this repository's copies of its dependencies.
 * Needs `npm run build`.
 *
 * @module
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { ROOT } from "../../tools/root.ts";

/** What an application's package manager would install beside coffer. */
const DEPENDENCIES = Object.keys(
  (JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { dependencies: object }).dependencies,
);

/** Whether there is something to pack. */
export const isBuilt = (): boolean => existsSync(join(ROOT, "dist"));

/**
 * Packs, and unpacks as `coffer` into the folder's node_modules.
 *
 * @param folder - made if it is not there
 * @param others - packages of this repository that the application has besides, by the name that it knows them by
 * @returns where the package lies
 */
export function installTarball(folder: string, others: Readonly<Record<string, string>> = {}): string {
  const modules = join(folder, "node_modules");
  mkdirSync(modules, { recursive: true });
  const packed = execFileSync("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", folder], {
    cwd: ROOT,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });
  const [{ filename }] = JSON.parse(packed) as [{ filename: string }];
  execFileSync("tar", ["-xzf", join(folder, filename), "-C", folder]);
  const place = join(folder, "package");
  symlinkSync(place, join(modules, "coffer"));
  // Resolution looks from where a package lies.
  for (const name of DEPENDENCIES) link(name, join(place, "node_modules", name));
  for (const [name, source] of Object.entries(others)) link(source, join(modules, name));
  return place;
}

function link(name: string, place: string): void {
  mkdirSync(dirname(place), { recursive: true });
  symlinkSync(join(ROOT, "node_modules", name), place);
}
