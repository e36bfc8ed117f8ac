/**
 * A PostgreSQL server of a rekey soak's own: while the job runs it crashes and starts again, and its standby takes its place.
 *
 * Owns the cluster, the address that stays the same, and when something happens to it. Must not know jobs.
 *
 * @module
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
  BIN,
  type Cluster,
  ownerOf,
  type RunOptions,
  serve,
  stop,
  WHY_NOT,
} from "../support/postgres-cluster.ts";
import { PostgresProxy } from "../support/postgres-proxy.ts";
import { crash, promote, standbyOf, urlOf } from "./cluster-faults.ts";

/** Milliseconds between two looks how far the job has come. */
const LOOK_MS = 100;
/** Milliseconds that a server is away, at most. */
const DOWN_MS_MAX = 1_500;

/** The cluster. */
export class SoakCluster {
  /** Leads to whichever server is in use. */
  readonly url: string;
  readonly #proxy: PostgresProxy;
  readonly #directory: string;
  readonly #options: RunOptions;
  #cluster: Cluster;
  #data: string;
  #standbys = 0;

  private constructor(
    at: { readonly proxy: PostgresProxy; readonly url: string },
    place: { readonly directory: string; readonly options: RunOptions; readonly data: string },
    cluster: Cluster,
  ) {
    this.#proxy = at.proxy;
    this.url = at.url;
    this.#directory = place.directory;
    this.#options = place.options;
    this.#data = place.data;
    this.#cluster = cluster;
  }

  static async start(): Promise<SoakCluster> {
    if (BIN === undefined) throw new Error(WHY_NOT);
    const directory = mkdtempSync(join(tmpdir(), "coffer-rekey-cluster-"));
    const options = ownerOf(directory);
    const data = join(directory, "data");
    execFileSync(join(BIN, "initdb"), ["-D", data, "-U", "postgres", "-A", "trust", "--no-sync"], options);
    const cluster = await serve(data, directory, options);
    return new SoakCluster(
      await PostgresProxy.before(urlOf(cluster.port)),
      { directory, options, data },
      cluster,
    );
  }

  /**
   * Lets things happen, each when the job has come so far; all of them before its end.
   *
   * @param shareDone - how far the job has come, from 0 to 1; may throw while the server is away
   * @returns when all has happened
   */
  async happen(faults: readonly ("restart" | "failover")[], shareDone: () => Promise<number>): Promise<void> {
    for (const [n, fault] of faults.entries()) {
      const from = (n + 1) / (faults.length + 1);
      while ((await shareDone().catch(() => 0)) < from) await sleep(LOOK_MS);
      await (fault === "restart" ? this.#restart() : this.#failOver());
    }
  }

  async close(): Promise<void> {
    await this.#proxy.close();
    await stop(this.#cluster.process);
    rmSync(this.#directory, { recursive: true, force: true });
  }

  async #restart(): Promise<void> {
    const { port } = this.#cluster;
    await crash(this.#cluster);
    await sleep(Math.random() * DOWN_MS_MAX);
    this.#cluster = await serve(this.#data, this.#directory, this.#options, { port });
  }

  async #failOver(): Promise<void> {
    const name = `standby${this.#standbys++}`;
    const standby = await standbyOf(this.#cluster, this.#directory, name, this.#options, "off");
    await crash(this.#cluster);
    this.#proxy.cutAll();
    await sleep(Math.random() * DOWN_MS_MAX);
    await promote(standby);
    rmSync(this.#data, { recursive: true, force: true });
    this.#data = join(this.#directory, name);
    this.#cluster = standby;
    this.#proxy.leadTo(standby.port);
  }
}
