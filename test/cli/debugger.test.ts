/** SIGUSR1 opens no debugger: it would show the memory of a command, keys included, to every user of the machine. */
import { spawn } from "node:child_process";
import { expect, onTestFinished, test } from "vitest";
import { type Started, workplace } from "../support/cli.ts";
import { eventually } from "../support/vaults.ts";

const OPENED = /Debugger listening/;

/** What a process says on standard error. */
function heard(child: Started["child"]): { text: string } {
  const said = { text: "" };
  child.stderr.on("data", (part: Buffer) => {
    said.text += part.toString();
  });
  return said;
}

test("a process that does not listen for it opens one: what is looked for here can be seen", async () => {
  const script = "setInterval(() => {}, 1000); process.stdout.write('up')";
  const child = spawn(process.execPath, ["--inspect-port=0", "-e", script]);
  onTestFinished(() => void child.kill("SIGKILL"));
  const said = heard(child);
  await new Promise((resolve) => child.stdout.once("data", resolve));
  child.kill("SIGUSR1");
  await eventually(() => OPENED.test(said.text), "it opens");
});

test("a server goes on, and opens none", async () => {
  const work = workplace();
  const { child, ended } = work.start(["server", "--dev", "--port", "0"]);
  onTestFinished(() => void child.kill("SIGKILL"));
  const said = heard(child);
  const text = await new Promise<string>((resolve) => {
    let out = "";
    child.stdout.on("data", (part: Buffer) => {
      out += part.toString();
      if (out.includes("OpenAPI:")) resolve(out);
    });
  });
  const url = /listening on (\S+)/.exec(text)![1]!;
  for (let i = 0; i < 5; i++) {
    child.kill("SIGUSR1");
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  expect(said.text).not.toMatch(OPENED);
  child.kill("SIGTERM");
  expect((await ended).code).toBe(0);
});

test("so does every command that waits", async () => {
  const work = workplace();
  await work.out(["kv", "put", "x", "--context", "a=b"], { stdin: "v" });
  const { child, ended } = work.start(["encrypt", "--context", "a=b"]);
  onTestFinished(() => void child.kill("SIGKILL"));
  const said = heard(child);
  // It reads its input: more than any pipe holds has been taken.
  await new Promise((resolve) => child.stdin.write("x".repeat(1_000_000), resolve));
  child.kill("SIGUSR1");
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(said.text).not.toMatch(OPENED);
  child.kill("SIGTERM");
  expect((await ended).code).toBe(143);
});
