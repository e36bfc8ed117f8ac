/**
 * What no file of the repository may say: the host of a package registry, a path of one machine.
 *
 * Owns the patterns. They are written so that this file does not match them itself.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";

interface Forbidden {
  readonly pattern: RegExp;
  readonly what: string;
}

/** Hosts that packages are downloaded from. */
const REGISTRY_HOSTS = [
  ["registry", "[a-z0-9-]+", "[a-z0-9.-]+"],
  ["npm", "pkg", "github", "com"],
  ["npm", "jsr", "io"],
  ["registry-[a-z0-9-]+", "[a-z0-9.-]+"],
  ["pypi", "org"],
  ["files", "pythonhosted", "org"],
  ["(?:static\\.|index\\.)?crates", "io"],
  ["proxy", "golang", "org"],
  ["rubygems", "org"],
  ["(?:repo\\.)?packagist", "org"],
  ["api", "nuget", "org"],
  ["repo[0-9]?", "maven", "[a-z]+", "org"],
].map((labels) => labels.join("\\."));

const FORBIDDEN: readonly Forbidden[] = [
  {
    pattern: new RegExp(`(?<![\\w.-])(?:${REGISTRY_HOSTS.join("|")})(?![\\w-])`, "i"),
    what: "names the host of a package registry",
  },
  {
    // Not part of a longer path or of an address: /home/app is a path of one machine, https://host/home/app is not.
    pattern: /(?<![\w.-])\/(?:work|root|Users\/\w+|home\/\w+)\//,
    what: "names a path of one machine",
  },
];

/**
 * @param files - the files of the repository, relative to `root`
 * @returns one message per line that says what it may not
 */
export function checkTexts(root: string, files: readonly string[]): string[] {
  const forbidden = [...FORBIDDEN, ...ownRegistry()];
  return files.flatMap((file) => {
    const bytes = readFileSync(join(root, file));
    if (bytes.includes(0)) return []; // Binary.
    const text = bytes.toString("utf8");
    const found = forbidden.filter(({ pattern }) => pattern.test(text));
    if (found.length === 0) return [];
    return text
      .split("\n")
      .flatMap((line, index) =>
        found
          .filter(({ pattern }) => pattern.test(line))
          .map(({ what }) => `${file}:${index + 1}: ${what} [files-text]`),
      );
  });
}

/** The registry that this machine's npm is set to, if it says so to its scripts. */
function ownRegistry(): Forbidden[] {
  const address = process.env.npm_config_registry;
  const url = address === undefined ? null : URL.parse(address);
  // The host of a mirror on the same machine is a word that documents may use.
  if (url === null || !url.hostname.includes(".") || /^127\./.test(url.hostname)) return [];
  const pattern = new RegExp(`(?<![\\w.-])${url.hostname.replaceAll(".", "\\.")}(?![\\w-])`, "i");
  return [{ pattern, what: "names the host of a package registry" }];
}

/** A lock file with addresses would bind every installation to one registry. */
export function checkLockFile(root: string): string[] {
  const name = "package-lock.json";
  return readFileSync(join(root, name), "utf8")
    .split("\n")
    .flatMap((line, index) =>
      /"resolved"\s*:\s*"(?:https?|git)/.test(line)
        ? [`${name}:${index + 1}: names a download address [lock-file]`]
        : [],
    );
}
