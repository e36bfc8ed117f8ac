// Serves a folder under a strict policy and shows what stands in a page's #result: node browse.js FOLDER CHROMIUM [POLICY]
// POLICY is said beside "default-src 'none'; script-src 'self'".
import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join } from "node:path";

const [folder, chromium, policy = ""] = process.argv.slice(2);
/** For the page to show its result; ours, about ten times what it takes on a busy machine. */
const WAIT_MS = 30_000;
const LOOK_MS = 50;
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
    "--remote-debugging-port=0",
    `http://127.0.0.1:${server.address().port}/`,
  ],
  { stdio: ["ignore", "ignore", "pipe"] },
);
const ended = new Promise((resolve) => child.once("exit", resolve));

/** The debugger's port, which the browser tells on its standard error. */
const port = await new Promise((resolve) => {
  let said = "";
  child.stderr.on("data", (chunk) => {
    said += chunk;
    const found = /DevTools listening on ws:\/\/127\.0\.0\.1:(\d+)\//.exec(said);
    if (found !== null) resolve(found[1]);
  });
});

/** What the page shows, once it shows anything else than that it works. */
async function result() {
  const pages = await (await fetch(`http://127.0.0.1:${port}/json/list`)).json();
  const socket = new WebSocket(pages.find(({ type }) => type === "page").webSocketDebuggerUrl);
  await new Promise((resolve) => socket.addEventListener("open", resolve));
  const end = Date.now() + WAIT_MS;
  for (let id = 1; ; id++) {
    const answered = new Promise((resolve) => socket.addEventListener("message", resolve, { once: true }));
    const expression = 'document.getElementById("result")?.textContent ?? "working"';
    socket.send(JSON.stringify({ id, method: "Runtime.evaluate", params: { expression } }));
    const text = JSON.parse((await answered).data).result.result.value;
    if (text !== "working" || Date.now() > end) return text;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}
console.log(await result());
child.kill();
await ended;
server.close();
server.closeAllConnections();
process.exit();
