/**
 * `npm run inspector`: makes the page, one HTML file that works offline.
 *
 * Owns putting style and script into the page, and the policy that allows exactly these.
 *
 *     node examples/inspector/build.ts [FILE]
 *
 * @module
 */
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";
import { webBundle } from "../../tools/build/web.ts";

const HERE = import.meta.dirname;
const FILE_DEFAULT = "demo-output/inspector.html";

/** The page as text. Its policy allows its own style and script by their hashes, and nothing else. */
export async function makeInspector(): Promise<string> {
  const [script, style] = await Promise.all([bundle("main.ts"), bundle("style.css")]);
  const policy = [
    "default-src 'none'",
    `script-src '${hashOf(script)}'`,
    `style-src '${hashOf(style)}'`,
    "base-uri 'none'",
    "form-action 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join("; ");
  const parts: Readonly<Record<string, string>> = {
    policy: `<meta http-equiv="Content-Security-Policy" content="${policy}">`,
    style: `<style>${style}</style>`,
    script: `<script type="module">${script}</script>`,
  };
  const page = readFileSync(join(HERE, "index.html"), "utf8");
  return page
    .replaceAll(/ *<!-- biome-ignore .*? -->\n/g, "")
    .replaceAll(/<!-- (policy|style|script) -->/g, (_, name: string) => parts[name]!);
}

async function bundle(file: string): Promise<string> {
  const result = await build({
    entryPoints: [join(HERE, file)],
    bundle: true,
    minify: true,
    write: false,
    format: "esm",
    platform: "browser",
    target: "es2022",
    // A script in a page ends where its end tag is written.
    supported: { "inline-script": false },
    legalComments: "none",
    plugins: [webBundle],
  });
  return result.outputFiles[0]!.text.trim();
}

const hashOf = (text: string): string => `sha256-${createHash("sha256").update(text).digest("base64")}`;

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const file = resolve(process.argv[2] ?? FILE_DEFAULT);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, await makeInspector());
  console.log(`open ${file} in a browser`);
}
