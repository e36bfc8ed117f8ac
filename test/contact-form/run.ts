/**
 * The example contact form, as it stands in examples/: its page in Chromium, Firefox and WebKit, its server, and its job beside a vault.
 *
 * Owns a project of the example on the built package, the vault, and a server that adds the driver to the page and passes the rest on:
 * to the example's server, and to a coffer server. Names what it skips, and ends with `N passed, N failed`. Needs `npm run build`.
 * Must not know what is tried in the page.
 *
 *     node test/contact-form/run.ts
 *
 * @module
 */
import { execFile, spawn } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { promisify } from "node:util";
import { build } from "esbuild";
import { inspect } from "../../src/index.ts";
import { createApp, listen } from "../../src/server/index.ts";
import { openVault } from "../../src/vault/index.ts";
import { openFileHost } from "../../src/vault/open-vault.ts";
import { webBundle } from "../../tools/build/web.ts";
import { ROOT } from "../../tools/root.ts";
import { runStep, Tally } from "../../tools/steps.ts";
import { leaveSummary } from "../../tools/summary-reporter.ts";
import { passOn } from "../runtimes/site.ts";
import { PageResults, runInBrowsers, type SkippedStep } from "../support/browsers.ts";

const CONTEXT = { organization_id: "org_1" };
const KEK = { name: "organization_id", value: "org_1" };
const FIELDS = ["name", "email", "message"];
/** For the job; ours, a hundred times what it takes. */
const JOB_MS = 60_000;

/** A message as the example's server keeps it. */
type Message = Readonly<Record<string, string>>;

const tally = new Tally();
const skipped: SkippedStep[] = [];
const scratch = mkdtempSync(join(tmpdir(), "coffer-contact-form-"));
process.once("exit", () => rmSync(scratch, { recursive: true, force: true, maxRetries: 5 }));
if (existsSync(join(ROOT, "dist"))) await runAll();
else {
  const reason = "dist/ is not there: npm run build";
  skipped.push({ name: "contact form", reason });
  tally.skip(`contact form: ${reason}`);
}
leaveSummary({ passed: tally.passed, failed: tally.failed, skipped, broken: [] });
tally.finish();

async function runAll(): Promise<void> {
  const project = join(scratch, "project");
  const inbox = join(project, "inbox");
  cpSync(join(ROOT, "examples", "contact-form"), project, { recursive: true });
  mkdirSync(join(project, "node_modules"));
  symlinkSync(ROOT, join(project, "node_modules", "coffer"));
  writeFileSync(join(project, "package.json"), JSON.stringify({ private: true, type: "module" }));
  await build({
    entryPoints: [join(project, "form.js")],
    bundle: true,
    minify: true,
    format: "esm",
    outfile: join(project, "dist", "form.js"),
  });

  const path = join(scratch, "vault.db");
  const vault = await openVault({ path, onNotice: () => {} });
  const { id } = await vault.recipients.create({ context: CONTEXT });
  const recipient = await vault.recipients.document({ id });
  writeFileSync(join(project, "recipient.json"), JSON.stringify(recipient));
  const host = await openFileHost({ path });
  const coffer = await listen(createApp({ host }), { port: 0 });
  const child = spawn(process.execPath, ["server.js"], {
    cwd: project,
    env: { ...process.env, PORT: "0", SIGNER: recipient.signer },
    stdio: ["ignore", "pipe", "inherit"],
  });
  process.once("exit", () => child.kill());
  const form = await new Promise<string>((resolve, reject) => {
    child.once("exit", () => reject(new Error("the example's server ended")));
    child.stdout.once("data", (line) => resolve(String(line).trim()));
  });

  /** What the example's job prints. */
  async function runJob(): Promise<string[]> {
    const env = { ...process.env, VAULT: path };
    const options = { cwd: project, env, timeout: JOB_MS };
    const { stdout } = await promisify(execFile)(process.execPath, ["read-messages.js"], options);
    return stdout.split("\n").filter(Boolean);
  }
  const messages = (): Message[] =>
    readdirSync(inbox).map((name) => JSON.parse(readFileSync(join(inbox, name), "utf8")) as Message);
  const isSealed = (message: Message): boolean =>
    FIELDS.every((name) => inspect(message[name]!).keyBlob.format === "sealed");

  /** Reads what an engine has just sent, has it absorbed, and reads it again. @returns what is wrong */
  async function absorb(engine: string): Promise<string> {
    const expected = {
      name: `Ada ü ${engine} 1`,
      email: "ada@example.com",
      message: `A message by Ada ü ${engine} 1`,
    };
    const before = messages().filter(isSealed);
    const ids = new Set<string>();
    for (const message of before) {
      const options = { associatedData: message.id!, context: CONTEXT };
      const { name, email, message: body } = await vault.decryptFields(message, FIELDS, options);
      if (JSON.stringify({ name, email, message: body }) === JSON.stringify(expected)) ids.add(message.id!);
    }
    const [own] = ids;
    if (ids.size !== 1) return `the vault read ${ids.size} messages of ${engine}`;
    const lines = await runJob();
    const line = `${own}: ${JSON.stringify({ topic: "A question", ...expected })}`;
    if (!lines.includes(line)) return `the job said: ${lines.join("\n")}`;
    return messages().some(isSealed) ? "a message is still sealed after the job" : "ok";
  }

  const driver = await driverText();
  const results = new PageResults();
  const server = createServer(async (request, response) => {
    const to = request.url!;
    if (to === "/driver.js") {
      response.writeHead(200, { "content-type": "text/javascript" }).end(driver);
    } else if (to === "/driver/result") {
      results.tell(await text(request));
      response.end();
    } else if (to === "/driver/absorb") {
      response.end(await absorb(await text(request)).catch((error: Error) => String(error.stack)));
    } else if (to.startsWith("/runtimes/page/")) {
      const answer = await fetch(`${form}/`);
      const policy = answer.headers.get("content-security-policy")!;
      response.writeHead(200, { "content-type": "text/html", "content-security-policy": policy });
      const tag = '<script type="module" src="/driver.js"></script></head>';
      response.end((await answer.text()).replace("</head>", tag));
    } else {
      passOn(request, response, /^\/(?:vault|coffer)\//.test(to) ? coffer.url : form);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  skipped.push(...(await runInBrowsers({ name: "contact form", url, results, scratch }, tally)));
  const isSeen = tally.passed > 0;
  if (isSeen) {
    const run = (): Promise<string[]> => refusals(form, messages().find(isSealed)!);
    await runStep({ name: "contact form: its server keeps sealed messages only, each once", run }, tally);
    await runStep(
      {
        name: "contact form: a shred of the tenant makes absorbed and unabsorbed messages unreadable",
        run: async () => {
          const kept = messages();
          const sealed = kept.filter(isSealed).length;
          if (sealed === 0 || sealed === kept.length) return [`${sealed} of ${kept.length} are not absorbed`];
          await vault.keks.shred(KEK);
          const expected = kept.map((message) => `${message.id}: ERR_KEY_DESTROYED`).sort();
          const lines = await runJob();
          return JSON.stringify(lines) === JSON.stringify(expected) ? [] : lines;
        },
      },
      tally,
    );
  }

  server.close();
  server.closeAllConnections();
  child.removeAllListeners("exit");
  child.kill();
  await coffer.close();
  await host.close();
  await vault.close();
}

/** What the example's server must not keep. @param kept - a sealed message that it has */
async function refusals(form: string, kept: Message): Promise<string[]> {
  const problems: string[] = [];
  const other = { ...kept, id: crypto.randomUUID() };
  const long = { ...other, topic: "x".repeat(64 * 1024) };
  for (const [body, expected, what] of [
    [JSON.stringify({ ...other, email: "ada@example.com" }), 400, "a field in clear"],
    [JSON.stringify({ ...other, id: "../x" }), 400, "an id that is none"],
    ["{", 400, "no JSON"],
    [JSON.stringify(kept), 409, "a message that it has"],
    [JSON.stringify(long), 413, "a message that is too long"],
  ] as const) {
    const { status } = await fetch(`${form}/messages`, { method: "POST", body });
    if (status !== expected) problems.push(`${what}: ${status}`);
  }
  return problems;
}

async function driverText(): Promise<string> {
  const bundle = await build({
    entryPoints: [join(import.meta.dirname, "driver.ts")],
    bundle: true,
    write: false,
    format: "esm",
    platform: "browser",
    target: "es2022",
    plugins: [webBundle],
  });
  return bundle.outputFiles[0]!.text;
}
