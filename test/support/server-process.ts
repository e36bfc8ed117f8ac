/**
 * A server in a process of its own, to be killed by tests.
 *
 * Owns both ends: {@link ServerProcess} in the test, and, where this file is run by itself, the process, which prints its
 * URL and an API key.
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { createApp, listen } from "../../src/server/index.ts";
import { openFileHost, openPostgresHost, PERMISSIONS } from "../../src/vault/index.ts";

const SELF = fileURLToPath(import.meta.url);

export interface ServerProcess {
  readonly url: string;
  readonly key: string;
  readonly pid: number;
  /** Ends it without any warning. */
  kill(): Promise<void>;
}

/**
 * Starts a server on a vault's file or a PostgreSQL URL, with a root key in base64.
 *
 * @param options.filesMax - files that the process may have open at once; default as many as this one
 * @param options.heapMib - MiB of objects that it may keep, garbage included: it ends where they are more; default Node's own
 */
export async function startServerProcess(
  where: string,
  rootKey: string,
  options: { readonly filesMax?: number; readonly heapMib?: number } = {},
): Promise<ServerProcess> {
  const heap = options.heapMib === undefined ? [] : [`--max-old-space-size=${options.heapMib}`];
  const command = [process.execPath, ...heap, SELF, where];
  const [file, ...args] =
    options.filesMax === undefined
      ? command
      : ["sh", "-c", `ulimit -n ${options.filesMax}; exec "$0" "$@"`, ...command];
  const child: ChildProcess = spawn(file as string, args, {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, COFFER_ROOT_KEY: rootKey },
  });
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const line = await Promise.race([
    new Promise<string>((resolve) => createInterface({ input: child.stdout! }).once("line", resolve)),
    ended.then(() => {
      throw new Error("the server did not start");
    }),
  ]);
  return {
    ...(JSON.parse(line) as { url: string; key: string }),
    pid: child.pid as number,
    kill: async () => {
      child.kill("SIGKILL");
      await ended;
    },
  };
}

if (process.argv[1] === SELF) {
  const where = process.argv[2] as string;
  const host = where.startsWith("postgres:")
    ? await openPostgresHost({ url: where })
    : await openFileHost({ path: where });
  const { id } = await host.environment("default");
  const { key } = await host.apiKeys.create(id, { name: "test", permissions: PERMISSIONS });
  const { url } = await listen(createApp({ host }), { port: 0 });
  process.stdout.write(`${JSON.stringify({ url, key })}\n`);
}
