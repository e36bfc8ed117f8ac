// Serves a folder under a strict policy and shows what stands in a page's #result: node browse.js FOLDER CHROMIUM [POLICY]
// POLICY is said beside "default-src 'none'; script-src 'self'".
import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join } from "node:path";

const [folder, chromium, policy = ""] = process.argv.slice(2);
const TYPES = { ".html": "text/html", ".js": "text/javascript" };
const server = createServer(async (request, response) => {
  const path = request.url === "/" ? "/index.html" : request.url;
  try {
    const body = await readFile(join(folder, path));
    response.writeHead(200, {
      "content-type": TYPES[extname(path)] ?? "application/octet-stream",
      "content-security-policy": `default-src 'none'; script-src 'self'; ${policy}`,
    });
    response.end(body);
  } catch {
    response.writeHead(404).end();
  }
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const child = spawn(
  chromium,
  [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--no-proxy-server",
    "--disable-background-networking",
    `--user-data-dir=${join(process.cwd(), "profile")}`,
    "--virtual-time-budget=10000",
    "--dump-dom",
    `http://127.0.0.1:${server.address().port}/`,
  ],
  { stdio: ["ignore", "pipe", "ignore"] },
);
let page = "";
child.stdout.on("data", (chunk) => {
  page += chunk;
});
await new Promise((resolve) => child.once("exit", resolve));
console.log(/<p id="result">(.*?)<\/p>/.exec(page)?.[1] ?? page);
server.close();
