/**
 * `npm run bench:sizes`: how large coffer is in a bundle, beside its peers.
 *
 *     npm run bench:sizes                # coffer alone
 *     npm run bench:sizes -- --files     # and which files each part takes along
 *     npm run bench:sizes -- --peers     # and its peers, which are installed into a temporary folder
 *     npm run bench:sizes -- --write     # the table of README, with peers
 *
 * Owns the peers and the table. How a bundle is measured is in tools/sizes.
 *
 * @module
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ROOT } from "../tools/root.ts";
import { bundle, cofferSources } from "../tools/sizes/bundle.ts";
import { PARTS } from "../tools/sizes/parts.ts";

/** What others take for a like job. */
interface Peer {
  readonly name: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly code: string;
}

const PEERS: readonly Peer[] = [
  {
    name: "`jose`: `CompactEncrypt`, `compactDecrypt`",
    versions: { jose: "6.2.18" },
    code: 'export { CompactEncrypt, compactDecrypt } from "jose";',
  },
  {
    name: "`@noble/ciphers`: `gcm`",
    versions: { "@noble/ciphers": "2.4.0" },
    code: 'export { gcm } from "@noble/ciphers/aes.js";',
  },
  { name: "`tweetnacl`", versions: { tweetnacl: "1.0.3" }, code: 'export { default } from "tweetnacl";' },
  {
    name: "`@workos-inc/node`: `WorkOS`",
    versions: { "@workos-inc/node": "11.0.0" },
    code: 'export { WorkOS } from "@workos-inc/node";',
  },
  {
    name: "`age-encryption`",
    versions: { "age-encryption": "0.3.1" },
    code: 'export { Decrypter, Encrypter } from "age-encryption";',
  },
  {
    name: "`@aws-crypto/client-browser`",
    versions: { "@aws-crypto/client-browser": "4.2.2" },
    code: 'export { buildClient, RawAesKeyringWebCrypto } from "@aws-crypto/client-browser";',
  },
];

const README = join(ROOT, "README.md");
/** Between these two lines of README this script writes. */
const MARKS = ["<!-- sizes: npm run bench:sizes -- --write -->", "<!-- /sizes -->"] as const;

const kilobytes = (bytes: number): string => (bytes / 1000).toFixed(1);

/** Measures coffer's parts. */
async function measureParts(showFiles: boolean): Promise<string[]> {
  const rows: string[] = [];
  for (const { name, code } of PARTS) {
    const { gzippedBytes, minifiedBytes, files } = await bundle(code, ROOT, cofferSources(ROOT));
    rows.push(`| coffer: ${name} | ${kilobytes(gzippedBytes)} | ${kilobytes(minifiedBytes)} |`);
    if (showFiles) for (const { path, bytes } of files) console.log(`${String(bytes).padStart(8)}  ${path}`);
    if (showFiles) console.log(`${name}\n`);
  }
  return rows;
}

/** Installs the peers and measures them. */
async function measurePeers(): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), "coffer-sizes-"));
  try {
    const dependencies = Object.assign({}, ...PEERS.map(({ versions }) => versions));
    writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true, dependencies }));
    execFileSync("npm", ["install", "--ignore-scripts", "--no-audit", "--no-fund"], {
      cwd: folder,
      stdio: "ignore",
    });
    const rows: string[] = [];
    for (const { name, versions, code } of PEERS) {
      const { gzippedBytes, minifiedBytes } = await bundle(code, folder);
      const version = Object.values(versions)[0]!;
      rows.push(`| ${name} (${version}) | ${kilobytes(gzippedBytes)} | ${kilobytes(minifiedBytes)} |`);
    }
    return rows;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Puts the table into README. */
function writeReadme(table: string): void {
  const text = readFileSync(README, "utf8");
  const [before, rest] = text.split(MARKS[0]);
  const after = rest?.split(MARKS[1])[1];
  if (before === undefined || after === undefined) throw new Error(`README.md has no line ${MARKS[0]}`);
  writeFileSync(README, `${before}${MARKS[0]}\n${table}\n${MARKS[1]}${after}`);
}

const { values: options } = parseArgs({
  options: {
    files: { type: "boolean", default: false },
    peers: { type: "boolean", default: false },
    write: { type: "boolean", default: false },
  },
});
const head = ["| kB (1,000 bytes) | gzipped | minified |", "|---|--:|--:|"];
const rows = await measureParts(options.files);
if (options.peers || options.write) rows.push(...(await measurePeers()));
const table = [...head, ...rows].join("\n");
console.log(table);
if (options.write) writeReadme(table);
