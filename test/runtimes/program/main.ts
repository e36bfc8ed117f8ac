/**
 * The conformance program: one bundle that runs on every runtime, and posts what it found to where it came from.
 *
 * Owns the order of the parts and the way of input and report. Portable; each runtime's own entry only calls
 * `conform`.
 *
 * @module
 */
import type { Input, PartReport, Report } from "../report.ts";
import { checkAead } from "./aead.ts";
import { Checks } from "./checks.ts";
import { checkChoice, checkRandomness } from "./choice.ts";
import { takeModule } from "./coffer.ts";
import { availableProviders, type Context, isSync } from "./context.ts";
import { checkEnvelopes } from "./envelopes.ts";
import { checkBase64, checkContexts, checkHashes, checkLeb128, checkXaes } from "./formats.ts";
import { checkLeases } from "./leases.ts";
import { checkNative, checkTestkit } from "./native.ts";
import { checkSealed, checkSealedTestkit } from "./sealed.ts";
import { checkSync } from "./sync.ts";
import { checkVault } from "./vault.ts";

/** The parts by the names under which they are reported. The choice comes first: the others name providers. */
const PARTS: Readonly<Record<string, (context: Context) => void | Promise<void>>> = {
  "the choice of providers": checkChoice,
  "calls that answer at once": checkSync,
  randomness: checkRandomness,
  "AES-GCM by every provider": checkAead,
  "XAES-256-GCM": checkXaes,
  "key contexts": checkContexts,
  base64: checkBase64,
  LEB128: checkLeb128,
  hashes: checkHashes,
  envelopes: checkEnvelopes,
  leases: checkLeases,
  testkit: checkTestkit,
  "the native format, streams and ranges": checkNative,
  "Vault over HTTP": checkVault,
  "sealed encryption": checkSealed,
  "testkit of sealed data keys": checkSealedTestkit,
};

/**
 * Runs everything.
 *
 * @param origin - of the runner
 * @param name - of the runtime, as the runner knows it
 * @param module - the WebAssembly module, compiled ahead of time
 */
export async function conform(origin: string, name: string, module?: object): Promise<void> {
  let report: Report;
  try {
    if (module !== undefined) takeModule(module);
    const input = (await (await fetch(`${origin}/runtimes/input/${name}`)).json()) as Input;
    report = await run(input);
  } catch (error) {
    const failures = [`the program itself: ${describe(error)}`];
    report = { runtime: runtimeText(), parts: [{ name: "comes to its end", checks: 0, failures }] };
  }
  const body = JSON.stringify(report);
  await (await fetch(`${origin}/runtimes/report/${name}`, { method: "POST", body })).text();
}

async function run(input: Input): Promise<Report> {
  const available = await availableProviders();
  const parts: PartReport[] = [];
  for (const [name, part] of Object.entries(PARTS)) {
    const checks = new Checks();
    try {
      await part({ input, checks, available, availableSync: available.filter(isSync) });
    } catch (error) {
      checks.fail(describe(error));
    }
    parts.push({ name, checks: checks.count, failures: checks.failures });
  }
  return { runtime: runtimeText(), parts };
}

const describe = (error: unknown): string =>
  error instanceof Error ? `${error.name}: ${error.message}\n${error.stack ?? ""}` : String(error);

function runtimeText(): string {
  return (globalThis as { navigator?: { userAgent?: string } }).navigator?.userAgent ?? "";
}
