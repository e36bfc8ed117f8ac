/**
 * What the tarball says of packages whose code it holds: their notices, and a bill of materials.
 *
 * Owns both files. Which packages are bundled is in tsup.config.ts.
 *
 * @module
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Notices of bundled packages, as their licences ask for. */
const NOTICES = "dist/THIRD-PARTY-NOTICES.txt";
/** The bill of materials: CycloneDX 1.6, JSON. */
const SBOM = "dist/sbom.cdx.json";

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly license: string;
}

/**
 * Writes both.
 *
 * @param root - the repository, built
 * @param packages - those whose code lies in dist
 */
export function writeNotices(root: string, packages: readonly string[]): void {
  const own = manifestOf(root);
  const bundled = packages.map((name) => {
    const folder = join(root, "node_modules", name);
    return { ...manifestOf(folder), notice: noticeOf(folder) };
  });
  const notices = bundled.map(
    ({ name, version, license, notice }) => `${name} ${version} (${license})\n\n${notice.trim()}\n`,
  );
  const head = "dist/node holds code of these packages, for coffer/server and the command.\n";
  writeFileSync(join(root, NOTICES), [head, ...notices].join(`\n${"-".repeat(80)}\n\n`));
  const bill = {
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    version: 1,
    metadata: { component: componentOf(own) },
    components: bundled.map(componentOf),
  };
  writeFileSync(join(root, SBOM), `${JSON.stringify(bill, undefined, 2)}\n`);
}

const manifestOf = (folder: string): Manifest =>
  JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Manifest;

function noticeOf(folder: string): string {
  const file = readdirSync(folder).find((name) => /^licen[cs]e(?:\.\w+)?$/i.test(name));
  if (file === undefined) throw new Error(`${folder} has no licence file`);
  return readFileSync(join(folder, file), "utf8");
}

const componentOf = ({ name, version, license }: Manifest) => ({
  type: "library",
  "bom-ref": `pkg:npm/${name}@${version}`,
  name,
  version,
  licenses: [{ license: { id: license } }],
  purl: `pkg:npm/${name}@${version}`,
});
