/**
 * `coffer server`: serves the Vault API until it is told to end.
 *
 * @module
 */

import { Option } from "commander";
import type { App, ProcessGroup, ServingGroup } from "../../server/index.ts";
import type { VaultHost } from "../../vault/index.ts";
import { type Action, option, type Verb } from "../command.ts";
import type { CommandRun } from "../command-run.ts";
import { usageError } from "../errors.ts";
import { choiceParser, countParser } from "../input/arguments.ts";
import { writeErr, writeErrNow, writeOut } from "../io.ts";
import { EXIT_DONE, EXIT_SERVICE } from "../output/exit-codes.ts";
import type { Result } from "../output/format.ts";
import { logLines } from "../output/log-lines.ts";
import { NOT_AUTHENTICATED } from "./administration.ts";

interface ServerOptions {
  readonly port?: number;
  readonly host?: string;
  readonly dev?: boolean;
  readonly log?: "json" | "none";
  readonly events: "all" | "changes";
  readonly rateLimit?: number;
  readonly workers?: number;
  readonly webhookAllow?: string[];
  readonly listen: boolean;
  readonly create?: boolean;
}

/** Milliseconds between two looks at whether a delayed shred is due. Ours. */
const HOUSEKEEPING_MS = 60_000;
const PORT_MAX = 65_535;
const RATE_MAX = 10_000_000;
/** As `WORKERS_MAX` of the server, which is not loaded to parse a line. */
const PROCESSES_MAX = 64;

const serve: Action<ServerOptions> = async (run, options) => {
  const server = await import("../../server/index.ts");
  const isDev = options.dev === true;
  if (isDev && (run.flags.vault !== undefined || run.flags.database !== undefined)) {
    throw usageError("--dev uses a vault in memory: give no other");
  }
  const workers = options.workers ?? 1;
  if (isDev && workers > 1) throw usageError("--dev uses a vault in memory, which one process has");
  if (await server.isMember()) return serveAsMember(run, options, server);
  const host = isDev
    ? await openDev()
    : await run.openHost({ create: options.create === true, listen: options.listen });
  if (!host.isAuthenticated) await run.note(NOT_AUTHENTICATED);
  const serving =
    workers > 1 ? await serveTogether(run, options, server) : await serveAlone(options, server, host);
  if (typeof serving === "number") return { view: "", data: () => ({}), exitCode: serving };
  const worker = new server.WebhookWorker({ webhooks: host.webhooks, allow: options.webhookAllow });
  worker.start();
  const housekeeping = setInterval(() => {
    // What fails now, because the storage is away, is due the next time as well.
    host.destroyDue().catch(() => {});
  }, HOUSEKEEPING_MS);
  housekeeping.unref();
  const ended = Promise.withResolvers<void>();
  run.onInterrupt = async () => {
    clearInterval(housekeeping);
    const isWhole = await server.stopServer({ listening: serving, worker, close: () => host.close() });
    if (!isWhole) {
      serving.kill();
      await run.note(`what was still under way after ${server.STOP_MS_MAX / 1_000} s was cut off`);
    }
    ended.resolve();
    return isWhole ? EXIT_DONE : EXIT_SERVICE;
  };
  await writeOut(isDev ? await devText(host, serving.url) : `listening on ${serving.url}\n`);
  await ended.promise;
  return { view: "", data: () => ({ url: serving.url }) };
};

/** `coffer server`. */
export const SERVER: Verb = {
  name: "server",
  summary: "serve the Vault API over HTTP",
  description: "Serves the Vault API over HTTP, until it is interrupted.",
  options: [
    new Option("--port <n>", "port, 0 for any (default 8200)").argParser(portParser),
    option("--host <address>", "address to listen on (default 127.0.0.1)"),
    option("--create", "make the vault if there is none, instead of refusing to start"),
    option("--dev", "a throw-away vault in memory, with an API key that is printed"),
    new Option("--log <how>", "json or none (default json; none with --dev)").argParser(
      choiceParser("log", ["json", "none"] as const),
    ),
    new Option("--events <which>", "record all events, or those of changes only")
      .default("all")
      .argParser(choiceParser("events", ["all", "changes"] as const)),
    new Option("--rate-limit <n>", "requests per minute and API key that this server takes").argParser(
      countParser("rate-limit", RATE_MAX),
    ),
    new Option(
      "--workers <n>",
      "processes that serve, for machines with several cores (default 1)",
    ).argParser(countParser("workers", PROCESSES_MAX)),
    option("--webhook-allow <network...>", "networks that webhooks may reach although they are not public"),
    option("--no-listen", "do not use LISTEN: for a connection pooler in transaction mode"),
  ],
  help: `
Speaks the WorkOS Vault API (/vault/v1) and what it lacks (/coffer/v1); see
/openapi.json. Give it a vault's file, or a PostgreSQL database that coffer
migrate has prepared: then several servers may share it, all with the same root
key. Callers need an API key: coffer api-keys create, which makes the vault as well.
It refuses to start without a vault, for a disk may not be mounted; --create makes
one, but never beside a root key whose vault is gone.

With --workers, so many processes serve the port, all on the same vault, and one
more starts them, counts rate limits and metrics for all, and sends webhooks. One
that ends is started again. With PostgreSQL each has connections of its own.

It listens on this machine only unless --host says otherwise. It speaks plain
HTTP: let a proxy in front of it do TLS before it is reached from elsewhere.
SIGTERM and SIGINT end it after the requests under way, within 15 s whatever
these do; a second one ends it at once. SIGUSR1 does nothing. One JSON line per
request goes to standard error, without ids, names or values.

Examples:
  $ coffer server --dev
  $ coffer server --vault vault.db --port 8200
  $ coffer server --vault vault.db --workers 4
  $ coffer server --database postgres://coffer@db/coffer --root-key-file /run/secrets/root-key
`,
  needs: "host",
  run: serve,
};

function portParser(text: string): number {
  return text === "0" ? 0 : countParser("port", PORT_MAX)(text);
}

type ServerModule = typeof import("../../server/index.ts");

/** The core over a host, with the log that was asked for. */
function appOf(options: ServerOptions, server: ServerModule, host: VaultHost, group?: ProcessGroup): App {
  const isLogged = (options.log ?? (options.dev === true ? "none" : "json")) === "json";
  const log = isLogged ? logLines((text) => void writeErr(text)) : undefined;
  if (log !== undefined) process.once("exit", () => log.flush(writeErrNow));
  return server.createApp({
    host,
    events: options.events,
    ...(group === undefined ? { requestsPerMinute: options.rateLimit } : { group }),
    ...(log === undefined ? {} : { log: log.add }),
  });
}

async function serveAlone(
  options: ServerOptions,
  server: ServerModule,
  host: VaultHost,
): Promise<ServingGroup> {
  const { port, host: address } = options;
  const listening = await server.listen(appOf(options, server, host), { host: address, port });
  return { ...listening, kill: () => {} };
}

/** @returns the exit code of a process that cannot serve, which has said why */
function serveTogether(
  run: CommandRun,
  options: ServerOptions,
  server: ServerModule,
): Promise<ServingGroup | number> {
  return server.startGroup({
    workers: options.workers!,
    host: options.host ?? server.HOST_DEFAULT,
    requestsPerMinute: options.rateLimit,
    onEnd: (how) => void run.note(`a process that served has ended (${how}): another takes its place`),
  });
}

/** One of several processes: the one that started it says when to end, and does what is done once for all. */
async function serveAsMember(run: CommandRun, options: ServerOptions, server: ServerModule): Promise<Result> {
  // A terminal sends these to all processes of the command.
  for (const signal of ["SIGINT", "SIGQUIT", "SIGHUP"] as const) run.ignoredSignals.add(signal);
  const group = server.joinGroup(server.HEAD_LINK, options.rateLimit);
  const host = await run.openHost({ create: false, listen: options.listen });
  const listening = await server.listen(appOf(options, server, host, group), {
    host: options.host,
    port: options.port,
    processes: options.workers,
  });
  const stop = async (): Promise<number> => {
    const none = { stop: async () => {} };
    const isWhole = await server.stopServer({ listening, worker: none, close: () => host.close() });
    return isWhole ? EXIT_DONE : EXIT_SERVICE;
  };
  let stopping: Promise<number> | undefined;
  run.onInterrupt = () => (stopping ??= stop());
  await group.stopped;
  return { view: "", data: () => ({}), exitCode: await run.onInterrupt() };
}

async function openDev() {
  const { openFileHost } = await import("../../vault/index.ts");
  return openFileHost({ path: ":memory:" });
}

async function devText(host: Awaited<ReturnType<typeof openDev>>, url: string): Promise<string> {
  const { PERMISSIONS } = await import("../../vault/index.ts");
  const environment = await host.environment("default");
  const { key } = await host.apiKeys.create(environment.id, { name: "dev", permissions: PERMISSIONS });
  const { hostname, port } = new URL(url);
  return `coffer server --dev, a vault in memory: everything is gone when it ends
listening on ${url}

API key: ${key}

curl:
  curl ${url}/vault/v1/keys/data-key -H "Authorization: Bearer ${key}" \\
    -H "Content-Type: application/json" -d '{"context":{"organization_id":"org_1"}}'

coffer command:
  export COFFER_API_KEY=${key} COFFER_BASE_URL=${url}
  echo -n s3cret | coffer encrypt --context organization_id=org_1 | coffer decrypt

coffer in TypeScript:
  import { Vault } from "coffer";
  const vault = new Vault({ apiKey: "${key}", baseUrl: "${url}" });

WorkOS's Node SDK:
  import { WorkOS } from "@workos-inc/node";
  const workos = new WorkOS("${key}", { apiHostname: "${hostname}", port: ${port}, https: false });
  await workos.vault.encrypt("s3cret", { organization_id: "org_1" });

OpenAPI: ${url}/openapi.json
`;
}
