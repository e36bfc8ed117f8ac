/**
 * The inspector in Chromium, Firefox and WebKit.
 *
 * Owns the server of the page and the browsers' start and end. Names what it skips, and ends with `N passed, N failed`.
 * Must not know what is done with the page.
 *
 *     node test/inspector/run.ts
 *
 * @module
 */
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import { makeInspector } from "../../examples/inspector/build.ts";
import { runStep, Tally } from "../../tools/steps.ts";
import { leaveSummary } from "../../tools/summary-reporter.ts";
import { HOSTS, type Host } from "../runtimes/hosts.ts";

/** For one browser; ours, ten times what the slowest takes. */
const RUN_MS = 120_000;
const BROWSERS = ["chromium", "firefox", "webkit"];
const PAGE =
  '<!doctype html><title>inspector</title><iframe id="frame" src="/inspector.html" width="900" height="700"></iframe><script type="module">import { run } from "/page.js"; await run();</script>';

const inspector = await makeInspector();
const bundle = await build({
  entryPoints: [join(import.meta.dirname, "page.ts")],
  bundle: true,
  write: false,
  format: "esm",
  platform: "browser",
  target: "es2022",
});
const page = bundle.outputFiles[0]!.text;
let told: (result: string) => void = () => {};
const server = createServer(async (request, response) => {
  const answers: Readonly<Record<string, readonly [type: string, text: string]>> = {
    "/inspector.html": ["text/html", inspector],
    "/page.js": ["text/javascript", page],
  };
  if (request.method === "POST") {
    let body = "";
    for await (const chunk of request) body += chunk;
    response.end();
    told(body);
    return;
  }
  const [type, text] = answers[request.url ?? ""] ?? ["text/html", PAGE];
  response.writeHead(200, { "content-type": `${type}; charset=utf-8` });
  response.end(text);
});
await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

const tally = new Tally();
const skipped: { name: string; reason: string }[] = [];
const scratch = mkdtempSync(join(tmpdir(), "coffer-inspector-"));
process.once("exit", () => rmSync(scratch, { recursive: true, force: true, maxRetries: 5 }));
for (const host of HOSTS.filter(({ name }) => BROWSERS.includes(name))) {
  const executable = host.executable();
  if (executable === undefined) {
    const reason = `it is not on this machine (${host.source})`;
    skipped.push({ name: `inspector, ${host.name}`, reason });
    tally.skip(`inspector, ${host.name}: ${reason}`);
  } else {
    await runStep({ name: `inspector: ${host.name}`, run: () => runIn(host, executable) }, tally);
  }
}
server.close();
server.closeAllConnections();
leaveSummary({ passed: tally.passed, failed: tally.failed, skipped, broken: [] });
tally.finish();

async function runIn(host: Host, executable: string): Promise<string[]> {
  const directory = join(scratch, host.name);
  mkdirSync(directory);
  const result = new Promise<string>((resolve) => {
    told = resolve;
  });
  const { file, args } = host.command(executable, { url } as Parameters<Host["command"]>[1], directory);
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
