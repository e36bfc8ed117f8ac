/**
 * What the package promises of itself: README's table of imports, `exports`, the packed files, and how dependencies
 * are given.
 *
 * Owns these rules. Reads nothing: what is compared is handed in.
 *
 * @module
 */

type Versions = Readonly<Record<string, string>>;

/** The files of an export by condition. */
type Target = { readonly types: string; readonly default: string } & Readonly<Record<string, string>>;

/** What of a package.json is looked at. */
export interface PackageManifest {
  readonly name: string;
  readonly exports: Readonly<Record<string, string | Target>>;
  readonly bin?: Readonly<Record<string, string>>;
  readonly dependencies?: Versions;
  readonly peerDependencies?: Versions;
  readonly devDependencies?: Versions;
}

/** For tools that read the manifest; README's table leaves it out. */
const OWN_MANIFEST = "./package.json";

/** A row of README's table of imports. */
const ROW = /^\| `([a-z][^`]*)` \|/gm;
const TABLE_TITLE = "\n| import |";

const CARET = /^\^\d+\.\d+\.\d+$/;
const EXACT = /^\d+\.\d+\.\d+(?:-[\w.]+)?$/;

/** README's table names exactly what can be imported. */
export function checkImportTable(manifest: PackageManifest, readme: string): string[] {
  const table = (readme.split(TABLE_TITLE)[1] ?? "").split("\n\n", 1)[0]!;
  const told = [...table.matchAll(ROW)].map((row) => row[1]!);
  const exported = importsOf(manifest);
  return [
    ...told
      .filter((name) => !exported.includes(name))
      .map(
        (name) => `README.md: its table names ${name}, which package.json does not export [package-exports]`,
      ),
    ...exported
      .filter((name) => !told.includes(name))
      .map((name) => `README.md: its table lacks ${name}, which package.json exports [package-exports]`),
  ];
}

/** llms.txt names every import. */
export function checkNamedImports(manifest: PackageManifest, text: string): string[] {
  return importsOf(manifest)
    .filter((name) => !text.includes(`\`${name}\``))
    .map((name) => `llms.txt: lacks ${name}, which package.json exports [package-exports]`);
}

const importsOf = (manifest: PackageManifest): string[] =>
  Object.keys(manifest.exports)
    .filter((subpath) => subpath !== OWN_MANIFEST)
    .map((subpath) => `${manifest.name}${subpath.slice(1)}`);

/**
 * The packed tarball has every file that package.json names.
 *
 * @param files - as `npm pack --json` lists them
 */
export function checkPackedFiles(manifest: PackageManifest, files: readonly string[]): string[] {
  const named = [
    ...Object.values(manifest.exports).flatMap((target) =>
      typeof target === "string" ? [target] : Object.values(target),
    ),
    ...Object.values(manifest.bin ?? {}),
  ];
  const packed = new Set(files);
  return named
    .map((path) => path.replace(/^\.\//, ""))
    .filter((path) => !packed.has(path))
    .map((path) => `package.json: names ${path}, which the packed tarball lacks [package-files]`);
}

/**
 * Applications choose versions within a range: dependencies and peers begin with a caret. What only this repository
 * uses is pinned.
 */
export function checkDependencyRanges(manifest: PackageManifest): string[] {
  const wrong = (
    kind: string,
    versions: Versions = {},
    isRight: (version: string) => boolean,
    must: string,
  ) =>
    Object.entries(versions)
      .filter(([, version]) => !isRight(version))
      .map(
        ([name, version]) =>
          `package.json: ${kind} ${name} is ${version}: it must be ${must} [package-ranges]`,
      );
  const isCaret = (version: string): boolean => CARET.test(version);
  const isPinned = (version: string): boolean =>
    version.startsWith("file:") || EXACT.test(version.replace(/^npm:.+@/, ""));
  return [
    ...wrong("dependencies", manifest.dependencies, isCaret, "a caret range"),
    ...wrong("peerDependencies", manifest.peerDependencies, isCaret, "a caret range"),
    ...wrong("devDependencies", manifest.devDependencies, isPinned, "an exact version"),
  ];
}
