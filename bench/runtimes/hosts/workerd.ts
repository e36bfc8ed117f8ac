/**
 * workerd: the program as a worker behind a loopback port.
 *
 * Owns its configuration and its process. Its clocks stand still while code runs (against timing attacks), so time is
 * taken from outside.
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, existsSync, writeFileSync } from "node:fs";
import { Agent, request } from "node:http";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { buildModule } from "../../../tools/wasm/aes-gcm.ts";
import type { Answer, Question } from "../protocol.ts";
import {
  ANSWER_MS_MAX,
  endingWithParent,
  type Host,
  START_MS_MAX,
  type Starter,
  unwrap,
  within,
} from "./host.ts";

const COMPATIBILITY_DATE = "2026-11-01";
/** The pipe on which workerd tells the port that it was given. */
const CONTROL_FD = 3;

/** @param flags - compatibility flags */
export function workerdStarter(name: string, command: string, flags: readonly string[] = []): Starter {
  return {
    name,
    entry: "entry-worker",
    missing: existsSync(command) ? undefined : "not installed under bench/runtimes",
    async start(bundle, directory) {
      copyFileSync(bundle, join(directory, "worker.js"));
      writeFileSync(join(directory, "aes-gcm.wasm"), buildModule());
      writeFileSync(join(directory, "config.capnp"), configuration(flags));
      const args = ["serve", `--control-fd=${CONTROL_FD}`, join(directory, "config.capnp")];
      const child = spawn(...endingWithParent(command, args), {
        stdio: ["ignore", "ignore", "pipe", "pipe"],
      });
      let errors = "";
      child.stderr?.on("data", (chunk) => {
        errors += chunk;
      });
      const ended = once(child, "exit").then(() => {
        throw new Error(`${name} ended: ${errors.trim()}`);
      });
      ended.catch(() => {});
      const port = await within(START_MS_MAX, `${name}: its start`, Promise.race([portOf(child), ended]));
      return new WorkerdHost(name, child, port);
    },
  };
}

function configuration(flags: readonly string[]): string {
  return `using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [(name = "main", worker = .worker)],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);

const worker :Workerd.Worker = (
  modules = [
    (name = "worker.js", esModule = embed "worker.js"),
    (name = "aes-gcm.wasm", wasm = embed "aes-gcm.wasm"),
  ],
  compatibilityDate = "${COMPATIBILITY_DATE}",
  compatibilityFlags = [${flags.map((flag) => JSON.stringify(flag)).join(", ")}],
);
`;
}

async function portOf(child: ChildProcess): Promise<number> {
  const lines = createInterface({ input: child.stdio[CONTROL_FD] as Readable });
  for await (const line of lines) {
    const event = JSON.parse(line) as { event: string; port?: number };
    if (event.event === "listen" && event.port !== undefined) return event.port;
  }
  throw new Error("workerd told no port");
}

class WorkerdHost implements Host {
  readonly name: string;
  readonly pids: readonly number[];
  readonly hasClock = false;
  readonly #child: ChildProcess;
  readonly #port: number;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });
  readonly #kill: () => void;

  constructor(name: string, child: ChildProcess, port: number) {
    this.name = name;
    this.#child = child;
    this.pids = child.pid === undefined ? [] : [child.pid];
    this.#port = port;
    this.#kill = () => void child.kill("SIGKILL");
    process.once("exit", this.#kill);
  }

  async ask<Q extends Question>(question: Q): Promise<Answer<Q>> {
    const sent = request({
      host: "127.0.0.1",
      port: this.#port,
      method: "POST",
      agent: this.#agent,
      timeout: ANSWER_MS_MAX,
    });
    sent.on("timeout", () => sent.destroy(new Error(`${this.name} did not answer`)));
    sent.end(JSON.stringify(question));
    const [response] = (await once(sent, "response")) as [Readable];
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk as Buffer);
    return unwrap<Q>(this.name, JSON.parse(Buffer.concat(chunks).toString()));
  }

  async close(): Promise<void> {
    process.removeListener("exit", this.#kill);
    this.#agent.destroy();
    if (this.#child.exitCode !== null) return;
    const ended = once(this.#child, "exit");
    this.#kill();
    await ended;
  }
}
