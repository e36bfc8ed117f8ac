/**
 * The server on this machine that hands the conformance program to runtimes and takes their reports.
 *
 * Owns the bundle, the files around it and the pages for browsers, and passes what is not its own on to the coffer
 * server: a page may ask only where it came from, since coffer permits no other origins. Must not know how runtimes
 * are started.
 *
 * @module
 */
import { createServer, request as forward, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { build, type Plugin } from "esbuild";
import { webBundle } from "../../tools/build/web.ts";
import { ROOT } from "../../tools/root.ts";
import { buildModule } from "../../tools/wasm/aes-gcm.ts";
import type { Input, Report } from "./report.ts";

/** Path of everything that is not the coffer server's. */
const PREFIX = "/runtimes/";
/** Bytes of the largest report; ours. */
const REPORT_BYTES_MAX = 1 << 20;

/** The oldest language that is run: Node 22's, as the built package has it. */
const TARGET = "es2022";

/** How a page runs the program. */
export interface Page {
  /** `Content-Security-Policy` of the page and its worker. */
  readonly policy?: string;
  /** In a Web Worker that the page starts. Default false. */
  readonly isWorker?: boolean;
}

/** The global under which the script has what the module exports. */
export const SCRIPT_NAME = "conformance";

/** The program and the WebAssembly module. */
export type Files = Readonly<Record<"program.js" | "aes-gcm.wasm", Uint8Array>>;

export interface Site {
  readonly url: string;
  /** Files of a runtime that reads files: for Node, Bun and Deno, and for all others. */
  readonly builtIn: Files;
  readonly web: Files;
  /** The latter as a script, which names its exports {@link SCRIPT_NAME}: for what loads no modules. */
  readonly script: Files;
  /** Settles when a report of this name comes in. */
  reportOf(name: string): Promise<Report>;
  close(): Promise<void>;
}

/**
 * @param inputs - by the names of runtimes
 * @param pages - by the names of browsers
 * @param cofferUrl - of a coffer server
 */
export async function openSite(
  inputs: ReadonlyMap<string, Input>,
  pages: ReadonlyMap<string, Page>,
  cofferUrl: string,
): Promise<Site> {
  const builtIn = await filesOf([]);
  const web = await filesOf([webBundle]);
  const script = await filesOf([webBundle], "iife");
  const reports = new Map<string, PromiseWithResolvers<Report>>();
  const slot = (name: string): PromiseWithResolvers<Report> => {
    const made = reports.get(name) ?? Promise.withResolvers<Report>();
    reports.set(name, made);
    return made;
  };

  const server = createServer((request, response) => {
    const path = request.url ?? "";
    if (!path.startsWith(PREFIX)) passOn(request, response, cofferUrl);
    else void answer(path.slice(PREFIX.length), request, response);
  });

  async function answer(path: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [kind = "", name = ""] = path.split("/");
    const input = inputs.get(name);
    const page = pages.get(name);
    if (kind === "program.js") send(response, "text/javascript", web[kind]);
    else if (kind === "aes-gcm.wasm") send(response, "application/wasm", web[kind]);
    else if (kind === "input" && input !== undefined) {
      send(response, "application/json", JSON.stringify(input));
    } else if (kind === "page" && page !== undefined) {
      send(response, "text/html", pageText(name), page.policy);
    } else if (kind === "entry" && page !== undefined) {
      send(response, "text/javascript", page.isWorker === true ? workerText(name) : entryText(name));
    } else if (kind === "worker" && page?.isWorker === true) {
      send(response, "text/javascript", entryText(name), page.policy);
    } else if (kind === "report" && input !== undefined) {
      try {
        slot(name).resolve(JSON.parse(await readText(request)) as Report);
      } catch (error) {
        slot(name).reject(error);
      }
      send(response, "text/plain", "thanks");
    } else {
      response.writeHead(404).end();
    }
  }

  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    builtIn,
    web,
    script,
    reportOf: (name) => slot(name).promise,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Bundles the program. */
async function filesOf(plugins: Plugin[], format: "esm" | "iife" = "esm"): Promise<Files> {
  const bundle = await build({
    absWorkingDir: ROOT,
    entryPoints: [join("test", "runtimes", "program", "main.ts")],
    bundle: true,
    write: false,
    platform: "browser",
    format,
    ...(format === "iife" ? { globalName: SCRIPT_NAME } : {}),
    target: TARGET,
    logLevel: "error",
    plugins,
  });
  return { "program.js": bundle.outputFiles[0]!.contents, "aes-gcm.wasm": buildModule() };
}

const pageText = (name: string): string =>
  `<!doctype html><meta charset="utf-8"><title>${name}</title>` +
  `<script type="module" src="${PREFIX}entry/${name}"></script>`;

const entryText = (name: string): string =>
  `import { conform } from "${PREFIX}program.js";\nawait conform(location.origin, ${JSON.stringify(name)});\n`;

/** Under trusted types a worker's address is a script's too, and needs a policy's word. */
const workerText = (name: string): string =>
  [
    `const path = "${PREFIX}worker/${name}";`,
    'const policy = globalThis.trustedTypes?.createPolicy("worker", { createScriptURL: (url) => url });',
    'new Worker(policy?.createScriptURL(path) ?? path, { type: "module" });',
  ].join("\n");

function send(response: ServerResponse, type: string, body: string | Uint8Array, policy?: string): void {
  response.writeHead(200, {
    "content-type": `${type}; charset=utf-8`,
    ...(policy === undefined ? {} : { "content-security-policy": policy }),
  });
  response.end(body);
}

async function readText(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > REPORT_BYTES_MAX) throw new Error("the report is too large");
    parts.push(part);
  }
  return Buffer.concat(parts).toString("utf8");
}

/** Has another server on this machine answer a request. */
export function passOn(request: IncomingMessage, response: ServerResponse, to: string): void {
  const { method, headers, url } = request;
  const onward = forward(new URL(url ?? "/", to), { method: method ?? "GET", headers }, (answered) => {
    response.writeHead(answered.statusCode ?? 502, answered.headers);
    answered.pipe(response);
  });
  onward.once("error", () => response.destroy());
  request.pipe(onward);
}
