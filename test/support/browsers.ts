/**
 * A page in Chromium, Firefox and WebKit, one after another.
 *
 * Owns the browsers' start and end, and the wait for what the page says. Must not know what the page does.
 *
 * @module
 */
import { spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { runStep, type Tally } from "../../tools/steps.ts";
import { HOSTS, type Host } from "../runtimes/hosts.ts";

/** For one browser; ours, ten times what the slowest takes. */
const RUN_MS = 120_000;
const BROWSERS = ["chromium", "firefox", "webkit"];

/** What pages post, one result for each. */
export class PageResults {
  #tell: (result: string) => void = () => {};

  /** Takes what a page says: `ok`, or what is wrong. */
  tell(result: string): void {
    this.#tell(result);
  }

  /** What the next page says. */
  next(): Promise<string> {
    return new Promise((resolve) => {
      this.#tell = resolve;
    });
  }
}

/** A page, and where its results and the browsers' files go. */
export interface BrowserRun {
  /** What steps are called. */
  readonly name: string;
  /** Of a server that answers `/runtimes/page/ENGINE` with the page. */
  readonly url: string;
  readonly results: PageResults;
  /** A folder of its own. */
  readonly scratch: string;
}

/** A step that was not run. */
export interface SkippedStep {
  readonly name: string;
  readonly reason: string;
}

/** Opens the page in each engine that is on this machine, and counts how it ended. @returns what was skipped */
export async function runInBrowsers(page: BrowserRun, tally: Tally): Promise<SkippedStep[]> {
  const skipped: SkippedStep[] = [];
  for (const host of HOSTS.filter(({ name }) => BROWSERS.includes(name))) {
    const executable = host.executable();
    if (executable === undefined) {
      const reason = `it is not on this machine (${host.source})`;
      skipped.push({ name: `${page.name}, ${host.name}`, reason });
      tally.skip(`${page.name}, ${host.name}: ${reason}`);
    } else {
      const run = (): Promise<string[]> => runIn(host, executable, page);
      await runStep({ name: `${page.name}: ${host.name}`, run }, tally);
    }
  }
  return skipped;
}

async function runIn(host: Host, executable: string, page: BrowserRun): Promise<string[]> {
  const directory = join(page.scratch, host.name);
  mkdirSync(directory);
  const result = page.results.next();
  const site = { url: page.url } as Parameters<Host["command"]>[1];
  const { file, args } = host.command(executable, site, directory);
  const child = spawn(file, args, { stdio: "ignore", detached: true });
  const late = AbortSignal.timeout(RUN_MS);
  const inTime = new Promise<string>((resolve) => {
    late.addEventListener("abort", () => resolve("it did not end in time"));
  });
  try {
    const text = await Promise.race([result, inTime]);
    return text === "ok" ? [] : [text];
  } finally {
    // A detached child leads a group of its own id.
    if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
  }
}
