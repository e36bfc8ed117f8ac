/**
 * Chromium: the program in a page of its own, driven from outside.
 *
 * Owns the browser and the loopback server of its page. The page is loaded from 127.0.0.1, which counts as secure (Web
 * Crypto), and isolated from other origins, so that its clock ticks in 5 µs (High Resolution Time, section 4.4).
 * Processor time is that of the renderer's process, where the page and its Web Crypto run.
 *
 * @module
 */
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { pathToFileURL } from "node:url";
import type { Answer, Question } from "../protocol.ts";
import { ANSWER_MS_MAX, type Host, START_MS_MAX, type Starter, unwrap, within } from "./host.ts";

/** Where Debian's package puts it. */
const CHROMIUM = "/usr/bin/chromium";
const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"];

/** The driver's package is installed under bench/runtimes only, so that its types are not there to compile with. */
// biome-ignore lint/suspicious/noExplicitAny: see above
type Untyped = any;

/** @param require - resolves packages of bench/runtimes */
export function chromiumStarter(name: string, require: NodeJS.Require): Starter {
  const driver = driverPath(require);
  return {
    name,
    entry: "entry-page",
    missing: !existsSync(CHROMIUM)
      ? "no chromium installed (apt-get install chromium)"
      : driver === undefined
        ? "playwright-core not installed under bench/runtimes"
        : undefined,
    async start(bundle) {
      const server = await serve(bundle);
      try {
        const { chromium } = (await import(pathToFileURL(driver as string).href)) as Untyped;
        const browser = await chromium.launch({
          executablePath: CHROMIUM,
          args: FLAGS,
          timeout: START_MS_MAX,
        });
        const page = await browser.newPage();
        await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
        await page.waitForFunction("globalThis.cofferBench !== undefined", undefined, {
          timeout: START_MS_MAX,
        });
        await page.bringToFront();
        const session = await browser.newBrowserCDPSession();
        const { processInfo } = await session.send("SystemInfo.getProcessInfo");
        const pids = (processInfo as { type: string; id: number }[])
          .filter(({ type }) => type === "renderer")
          .map(({ id }) => id);
        return new ChromiumHost(name, browser, page, server, pids);
      } catch (error) {
        server.close();
        throw error;
      }
    },
  };
}

function driverPath(require: NodeJS.Require): string | undefined {
  try {
    return require.resolve("playwright-core").replace(/index\.js$/, "index.mjs");
  } catch {
    return undefined;
  }
}

async function serve(bundle: string): Promise<Server> {
  const program = readFileSync(bundle);
  const server = createServer((request, response) => {
    response.setHeader("cross-origin-opener-policy", "same-origin");
    response.setHeader("cross-origin-embedder-policy", "require-corp");
    if (request.url === "/program.js") {
      response.setHeader("content-type", "text/javascript").end(program);
    } else {
      response.setHeader("content-type", "text/html");
      response.end('<!doctype html><title>bench</title><script type="module" src="/program.js"></script>');
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  // The program may end without closing it.
  server.unref();
  return server;
}

class ChromiumHost implements Host {
  readonly name: string;
  readonly pids: readonly number[];
  readonly hasClock = true;
  readonly #browser: Untyped;
  readonly #page: Untyped;
  readonly #server: Server;

  constructor(name: string, browser: Untyped, page: Untyped, server: Server, pids: readonly number[]) {
    this.name = name;
    this.#browser = browser;
    this.#page = page;
    this.#server = server;
    this.pids = pids;
  }

  async ask<Q extends Question>(question: Q): Promise<Answer<Q>> {
    const asked = this.#page.evaluate(
      (argument: Question) =>
        (globalThis as unknown as { cofferBench(q: Question): Promise<unknown> }).cofferBench(argument),
      question,
    );
    return unwrap<Q>(this.name, await within(ANSWER_MS_MAX, `${this.name}: an answer`, asked));
  }

  async close(): Promise<void> {
    await this.#browser.close();
    this.#server.close();
  }
}
