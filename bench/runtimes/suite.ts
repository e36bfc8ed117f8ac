/**
 * Measures runtimes: starts each, checks that it reads what Node wrote and Node reads what it wrote, then takes
 * samples.
 *
 * Owns the order of events and the sizes. How runtimes are reached is the hosts' affair, how samples are compared the
 * harness's.
 *
 * @module
 */
import * as nodeCrypto from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build, type Plugin } from "esbuild";
import { HERE } from "../../src/crypto/ciphers/of-call.ts";
import { DataKey, localDecryptSync } from "../../src/crypto/index.ts";
import { sealedTools } from "../../src/crypto/sealed/tools.ts";
import { inspect } from "../../src/index.ts";
import { SealedEncryptor } from "../../src/sealed/index.ts";
import { webBundle } from "../../tools/build/web.ts";
import { ByHand, KEY_BLOB_BYTES, KEY_BLOB_MAGIC } from "../lib/by-hand.ts";
import { type CaseResult, type Clock, compare, type Sampler, type Settings } from "../lib/harness.ts";
import { makeRecipient, opener } from "../lib/recipient.ts";
import { quantile } from "../lib/statistics.ts";
import type { Host, Starter } from "./hosts/host.ts";
import { processorTimeBetween, readProcessorTime } from "./processor-time.ts";
import { type About, type CompetitorSet, DISAGREEMENT, type Material, type Work } from "./protocol.ts";

const SUITE = "runtimes";
/** What results of sealed data keys say. */
export const SEALED_SUITE = "sealedRuntimes";
const NS_PER_MS = 1e6;
const NS_PER_US = 1e3;
const KIB = 1024;

/** Texts that are taken in turn; powers of 2. */
const TEXTS = 16;
const TEXTS_LARGE = 2;
const LARGE_BYTES = 64 * KIB;

/** Messages of a batch, and the largest of which batches are measured. */
export const BATCH = 1000;
const BATCH_BYTES_MAX = KIB;

export const MESSAGE_SIZES: readonly number[] = [16, 64, 256, KIB, 4 * KIB, 64 * KIB, KIB * KIB];
export const QUICK_SIZES: readonly number[] = [16, KIB];
export const CROSSOVER_SIZES: readonly number[] = [
  16, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096, 6144, 8192, 16384, 32768, 65536,
];

/** Empty questions whose median is what a question costs by itself, and those before them until all is warm. */
const EMPTY_QUESTIONS = 21;
const EMPTY_QUESTIONS_WARM_UP = 40;

export interface RuntimeResult {
  readonly name: string;
  readonly about: About;
  readonly cases: readonly CaseResult[];
}

/** Bytes of a message with a sealed data key, as the suite `sealed` has them. */
export const SEALED_SIZES: readonly number[] = [200];

export interface Plan {
  readonly set: "message" | "crossover" | "sealed";
  readonly sizes: readonly number[];
  readonly hasBatches: boolean;
  readonly settings: Settings;
  /** Told what is being done. */
  readonly progress: (text: string) => void;
}

/** Runs `use` with the bundles' directory, which is taken away afterwards, also when the process exits in between. */
export async function withBundles<T>(use: (directory: string) => Promise<T>): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), "coffer-bench-runtimes-"));
  const clean = (): void => rmSync(directory, { recursive: true, force: true });
  process.once("exit", clean);
  try {
    // As the package is resolved there: Node, Bun and Deno have everything built in, the others what is passed as `sync`.
    await bundle(directory, ["entry-process"], []);
    await bundle(directory, ["entry-worker", "entry-page"], [webBundle]);
    return await use(directory);
  } finally {
    process.removeListener("exit", clean);
    clean();
  }
}

async function bundle(directory: string, names: readonly string[], plugins: Plugin[]): Promise<void> {
  await build({
    entryPoints: names.map((name) => join(import.meta.dirname, `${name}.ts`)),
    bundle: true,
    format: "esm",
    target: "es2022",
    platform: "neutral",
    mainFields: ["module", "main"],
    external: ["aes-gcm.wasm"],
    // tweetnacl asks with it for randomness, which coffer does not ask of tweetnacl.
    define: { require: "undefined" },
    outdir: directory,
    outExtension: { ".js": ".mjs" },
    logLevel: "error",
    plugins,
  });
}

/** Measures one runtime. @throws if it does not start, or outputs disagree */
export async function measureRuntime(starter: Starter, bundles: string, plan: Plan): Promise<RuntimeResult> {
  const directory = join(bundles, starter.name.replaceAll(/\W+/g, "-"));
  mkdirSync(directory, { recursive: true });
  plan.progress(`${starter.name}: starts`);
  const host = await starter.start(join(bundles, `${starter.entry}.mjs`), directory);
  try {
    const about = await host.ask({ op: "about" });
    const cases: CaseResult[] = [];
    const sets: { set: CompetitorSet; bytes: number }[] = plan.sizes.map((bytes) => ({
      set: plan.set,
      bytes,
    }));
    if (plan.hasBatches) {
      const sizes = plan.sizes.filter((bytes) => bytes <= BATCH_BYTES_MAX);
      sets.push(...sizes.map((bytes) => ({ set: "batch" as const, bytes })));
    }
    for (const { set, bytes } of sets) {
      plan.progress(`${starter.name}: ${sizeName(bytes)}${set === "batch" ? `, ${BATCH} at once` : ""}`);
      cases.push(...(await measureSize(host, set, bytes, plan.settings)));
    }
    // As tables want them: all of one work together.
    const works = Map.groupBy(cases, ({ work }) => work);
    return { name: starter.name, about, cases: [...works.values()].flat() };
  } finally {
    await host.close();
  }
}

async function measureSize(
  host: Host,
  set: CompetitorSet,
  bytes: number,
  settings: Settings,
): Promise<CaseResult[]> {
  const names = await exchange(host, set, bytes);
  const results: CaseResult[] = [];
  for (const work of ["seal", "open"] as const) {
    const empty = await emptyQuestion(host, work, names[0]!);
    const samplers = names.map((name) => new Remote(host, work, name, empty));
    const title = set === "batch" ? `${work} ${BATCH}` : work;
    const suite = set === "sealed" ? SEALED_SUITE : SUITE;
    const subject = { suite, work: title, size: sizeName(bytes), clock: "cpu" as const };
    results.push(await compare(subject, samplers, settings));
  }
  return results;
}

/** Both ways: the runtime opens what Node sealed by hand, Node opens by hand what the runtime sealed. */
async function exchange(host: Host, set: CompetitorSet, bytes: number): Promise<string[]> {
  const rawKey = nodeCrypto.randomBytes(32);
  const blob = Buffer.concat([
    Buffer.from(KEY_BLOB_MAGIC, "latin1"),
    nodeCrypto.randomBytes(KEY_BLOB_BYTES - KEY_BLOB_MAGIC.length),
  ]);
  const hand = new ByHand(nodeCrypto, rawKey, blob);
  const count = set === "batch" ? BATCH : bytes >= LARGE_BYTES ? TEXTS_LARGE : TEXTS;
  const texts = Array.from({ length: count }, () =>
    nodeCrypto.randomBytes(bytes).toString("base64").slice(0, bytes),
  );
  const common = { set, dataKey: rawKey.toString("base64"), encryptedKeys: blob.toString("base64"), texts };
  if (set === "sealed") return exchangeSealed(host, common);
  const material: Material = { ...common, ciphertexts: texts.map((text) => hand.seal(text)) };
  const prepared = await host.ask({ op: "prepare", material });
  for (const { name, sealed } of prepared) {
    for (const [i, ciphertext] of (sealed ?? []).entries()) {
      if (hand.open(ciphertext) !== texts[i]) {
        throw new Error(`${DISAGREEMENT}: what ${name} sealed on ${host.name} does not open by hand`);
      }
    }
  }
  return prepared.map(({ name }) => name);
}

/** The same of sealed data keys: Node has a recipient, and opens by its private key. */
async function exchangeSealed(
  host: Host,
  common: Omit<Material, "ciphertexts" | "recipient">,
): Promise<string[]> {
  const tools = sealedTools(HERE);
  const random = (): Uint8Array => Uint8Array.from(nodeCrypto.randomBytes(32));
  const recipient = makeRecipient(tools, random(), random());
  const encryptor = new SealedEncryptor({ recipient: recipient.document });
  const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");
  const { texts, dataKey, encryptedKeys } = common;
  const material: Material = {
    ...common,
    recipient: {
      document: recipient.document,
      privateKey: base64(recipient.privateKey),
      publicKey: base64(recipient.publicKey),
    },
    ciphertexts: texts.map((text) => encryptor.encryptSync(text)),
  };
  const open = opener(tools, recipient);
  using key = new DataKey({
    id: "bench",
    key: Uint8Array.from(Buffer.from(dataKey, "base64")),
    encryptedKeys,
  });
  const prepared = await host.ask({ op: "prepare", material });
  for (const { name, sealed } of prepared) {
    const [text] = sealed ?? [];
    if (text === undefined) continue;
    const isSealed = inspect(text).keyBlob.format === "sealed";
    if ((isSealed ? open(text) : localDecryptSync(text, key)) === texts[0]) continue;
    throw new Error(`${DISAGREEMENT}: what ${name} sealed on ${host.name} does not open on Node`);
  }
  return prepared.map(({ name }) => name);
}

/** Nanoseconds of a question that asks for no calls, by both clocks, from outside. */
async function emptyQuestion(host: Host, work: Work, name: string): Promise<Record<Clock, number>> {
  const samples: Record<Clock, number>[] = [];
  for (let i = 0; i < EMPTY_QUESTIONS_WARM_UP; i++) await timed(host, work, name, 0);
  for (let i = 0; i < EMPTY_QUESTIONS; i++) samples.push((await timed(host, work, name, 0)).outside);
  const median = (clock: Clock): number =>
    quantile(
      samples.map((sample) => sample[clock]),
      0.5,
    );
  return { wall: median("wall"), cpu: median("cpu") };
}

async function timed(
  host: Host,
  work: Work,
  name: string,
  calls: number,
): Promise<{ outside: Record<Clock, number>; inside: number }> {
  const before = readProcessorTime(host.pids);
  const start = process.hrtime.bigint();
  const { ms } = await host.ask({ op: "run", work, name, calls });
  const wall = Number(process.hrtime.bigint() - start);
  const after = readProcessorTime(host.pids);
  // Where the kernel does not tell, the plain time must do.
  const cpu = before === undefined || after === undefined ? wall : processorTimeBetween(before, after);
  return { outside: { wall, cpu }, inside: ms * NS_PER_MS };
}

/** A competitor that runs in the host. */
class Remote implements Sampler {
  readonly name: string;
  readonly #host: Host;
  readonly #work: Work;
  readonly #empty: Readonly<Record<Clock, number>>;

  constructor(host: Host, work: Work, name: string, empty: Readonly<Record<Clock, number>>) {
    this.name = name;
    this.#host = host;
    this.#work = work;
    this.#empty = empty;
  }

  async run(calls: number): Promise<Readonly<Record<Clock, number>>> {
    const { outside, inside } = await timed(this.#host, this.#work, this.name, calls);
    const wall = this.#host.hasClock ? inside : outside.wall - this.#empty.wall;
    // Very short runs may cost no more than an empty question.
    return { wall: Math.max(NS_PER_US, wall), cpu: Math.max(NS_PER_US, outside.cpu - this.#empty.cpu) };
  }
}

export function sizeName(bytes: number): string {
  if (bytes < KIB) return `${bytes} B`;
  return bytes < KIB * KIB ? `${bytes / KIB} KiB` : `${bytes / KIB / KIB} MiB`;
}
