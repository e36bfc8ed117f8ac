/**
 * Opens one page in WebKitGTK and stays until it is ended: `node test/runtimes/webkit.ts URL`.
 *
 * Owns the display, the driver and the session that MiniBrowser needs: it shows no page by its command line that has
 * no session of its own. All are in this process's group, so that who ends the group ends them. Must not know what
 * the page does.
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import type { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";

/** Where Debian's package libwebkit2gtk-4.1-0 puts the browser that the driver starts. */
export const MINI_BROWSER = "/usr/lib/x86_64-linux-gnu/webkit2gtk-4.1/MiniBrowser";

/** What the driver and the display server are called. */
export const WEBKIT_PROGRAMS = ["WebKitWebDriver", "Xvfb"] as const;

/** For the driver to listen; ours, about a hundred times what it takes. */
const START_MS = 20_000;
const LOOK_MS = 50;

/** What each WebDriver answer is wrapped in (W3C WebDriver, section 6.3). */
interface Answer {
  readonly value: { readonly error?: string; readonly message?: string; readonly sessionId?: string } | null;
}

/** A display of its own: `-displayfd` picks a free number and says it. */
async function startDisplay(): Promise<string> {
  const child = spawn("Xvfb", ["-displayfd", "3", "-screen", "0", "1024x768x24", "-nolisten", "tcp"], {
    stdio: ["ignore", "ignore", "inherit", "pipe"],
  });
  endWith(child, "Xvfb");
  let text = "";
  for await (const piece of child.stdio[3] as Readable) {
    text += String(piece);
    if (text.includes("\n")) break;
  }
  return `:${text.trim()}`;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Without one of them there is no page: this process ends as well, and says why. */
function endWith(child: ChildProcess, name: string): void {
  child.once("error", (error) => {
    console.error(`${name}: ${error.message}`);
    process.exit(1);
  });
  child.once("exit", (code, signal) => {
    console.error(`${name} ended (${signal ?? `exit code ${code}`})`);
    process.exit(1);
  });
}

async function ask(base: string, method: string, path: string, body?: object): Promise<Answer["value"]> {
  const init = { method, ...(body === undefined ? {} : { body: JSON.stringify(body) }) };
  const response = await fetch(`${base}${path}`, {
    ...init,
    headers: { "content-type": "application/json" },
  });
  const { value } = (await response.json()) as Answer;
  if (value?.error !== undefined) throw new Error(`${path}: ${value.error}: ${value.message}`);
  return value;
}

async function untilReady(base: string): Promise<void> {
  const end = performance.now() + START_MS;
  for (;;) {
    try {
      await ask(base, "GET", "/status");
      return;
    } catch (error) {
      if (performance.now() > end) throw error;
      await sleep(LOOK_MS);
    }
  }
}

async function openPage(url: string): Promise<void> {
  const display = process.env.DISPLAY ?? (await startDisplay());
  const port = await freePort();
  const driver = spawn("WebKitWebDriver", [`--port=${port}`, "--host=127.0.0.1"], {
    // Without a graphics card, a compositor and a bus for assistive programs.
    env: {
      ...process.env,
      DISPLAY: display,
      GDK_BACKEND: "x11",
      LIBGL_ALWAYS_SOFTWARE: "1",
      WEBKIT_DISABLE_COMPOSITING_MODE: "1",
      NO_AT_BRIDGE: "1",
    },
    stdio: ["ignore", "inherit", "inherit"],
  });
  endWith(driver, "WebKitWebDriver");
  const base = `http://127.0.0.1:${port}`;
  await untilReady(base);
  const browser = { binary: MINI_BROWSER, args: ["--automation"] };
  const session = await ask(base, "POST", "/session", {
    capabilities: { alwaysMatch: { "webkitgtk:browserOptions": browser } },
  });
  await ask(base, "POST", `/session/${session?.sessionId}/url`, { url });
}

// hosts.ts imports the names only.
if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const url = process.argv[2];
  if (url === undefined) throw new Error("which page?");
  await openPage(url);
}
