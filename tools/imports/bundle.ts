/**
 * The proof of portability: every portable entry bundles for browsers, packages included, without a Node module.
 *
 * Owns the bundler's part of the import check, which also sees what the packages import. Must not know the
 * rules on single files.
 *
 * @module
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type BuildFailure, build } from "esbuild";
import { webBundle } from "../build/web.ts";
import { BROWSER_ENTRIES } from "./rooms.ts";
import type { Violation } from "./rules.ts";

/**
 * Bundles the entries, in memory.
 *
 * An entry that is absent is wrong only if package.json publishes it.
 *
 * @param root - the repository
 */
export async function checkBundles(root: string): Promise<Violation[]> {
  const manifest = readFileSync(join(root, "package.json"), "utf8");
  const exported = new Set(Object.keys((JSON.parse(manifest) as { exports?: object }).exports ?? {}));
  const violations: Violation[] = [];
  for (const { subpath, source } of BROWSER_ENTRIES) {
    const file = join("src", source);
    if (existsSync(join(root, file))) {
      violations.push(...(await checkBundle(root, file)));
    } else if (exported.has(subpath)) {
      const line = manifest.slice(0, manifest.indexOf(`"${subpath}"`)).split("\n").length;
      const message = `exports name "${subpath}", but there is no ${file}`;
      violations.push({ file: "package.json", line, rule: "browser-bundle", message });
    }
  }
  return violations;
}

async function checkBundle(root: string, entry: string): Promise<Violation[]> {
  const wrong = (file: string, line: number, message: string): Violation => {
    return {
      file,
      line,
      rule: "browser-bundle",
      message: `${entry} does not bundle for browsers: ${message}`,
    };
  };
  try {
    const result = await build({
      absWorkingDir: root,
      entryPoints: [entry],
      bundle: true,
      write: false,
      metafile: true,
      platform: "browser",
      format: "esm",
      logLevel: "silent",
      plugins: [webBundle],
    });
    // What the bundler could not resolve inside a try block it leaves in the bundle with a warning.
    return Object.entries(result.metafile.inputs).flatMap(([file, input]) =>
      input.imports
        // "<runtime>" is esbuild's own code, which it puts around a CommonJS package (tweetnacl).
        .filter((item) => item.external === true && item.path !== "<runtime>")
        .map((item) => wrong(file, 1, `"${item.path}" is left to the runtime`)),
    );
  } catch (error) {
    const { errors } = error as BuildFailure;
    if (!Array.isArray(errors)) throw error;
    return errors.map(({ location, text }) => wrong(location?.file ?? entry, location?.line ?? 1, text));
  }
}
