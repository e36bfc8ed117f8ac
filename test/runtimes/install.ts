/**
 * The pinned runtimes, installed once for each lock file.
 *
 * @module
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PACKAGES } from "./hosts.ts";

/** To fetch about 750 MB; ours. */
const INSTALL_MS = 240_000;

/** Installs what the lock file names, unless that was done for the same one. @returns why not */
export function installRuntimes(): string | undefined {
  const marker = join(PACKAGES, ".installed");
  const wanted = readFileSync(join(import.meta.dirname, "package-lock.json"), "utf8");
  if (existsSync(marker) && readFileSync(marker, "utf8") === wanted) return undefined;
  try {
    execFileSync("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"], {
      cwd: import.meta.dirname,
      encoding: "utf8",
      stdio: "pipe",
      timeout: INSTALL_MS,
    });
    mkdirSync(PACKAGES, { recursive: true });
    writeFileSync(marker, wanted);
    return undefined;
  } catch (error) {
    const { stderr = "", message } = error as Error & { stderr?: string };
    return stderr.trim().split("\n").at(-1)?.trim() || message;
  }
}
