/**
 * The inspector in Chromium, Firefox and WebKit.
 *
 * Owns the server of the page. Names what it skips, and ends with `N passed, N failed`.
 * Must not know what is done with the page.
 *
 *     node test/inspector/run.ts
 *
 * @module
 */
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import { makeInspector } from "../../examples/inspector/build.ts";
import { Tally } from "../../tools/steps.ts";
import { leaveSummary } from "../../tools/summary-reporter.ts";
import { PageResults, runInBrowsers } from "../support/browsers.ts";

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
const results = new PageResults();
const server = createServer(async (request, response) => {
  const answers: Readonly<Record<string, readonly [type: string, text: string]>> = {
    "/inspector.html": ["text/html", inspector],
    "/page.js": ["text/javascript", page],
  };
  if (request.method === "POST") {
    let body = "";
    for await (const chunk of request) body += chunk;
    response.end();
    results.tell(body);
    return;
  }
  const [type, text] = answers[request.url ?? ""] ?? ["text/html", PAGE];
  response.writeHead(200, { "content-type": `${type}; charset=utf-8` });
  response.end(text);
});
await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

const tally = new Tally();
const scratch = mkdtempSync(join(tmpdir(), "coffer-inspector-"));
process.once("exit", () => rmSync(scratch, { recursive: true, force: true, maxRetries: 5 }));
const skipped = await runInBrowsers({ name: "inspector", url, results, scratch }, tally);
server.close();
server.closeAllConnections();
leaveSummary({ passed: tally.passed, failed: tally.failed, skipped, broken: [] });
tally.finish();
