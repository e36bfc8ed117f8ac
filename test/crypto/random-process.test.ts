/** The kernel's random device in processes of their own: no leave to open it, no file left, a descriptor that was taken. */
import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { freshDirectory } from "../support/vaults.ts";
import { REPOSITORY_ROOT } from "../support/vectors.ts";

const PRELUDE = `
import fs from "node:fs";
const { DataKey, localEncryptSync, localDecryptSync } = await import(${JSON.stringify(join(REPOSITORY_ROOT, "src/crypto/index.ts"))});
const { Vault } = await import(${JSON.stringify(join(REPOSITORY_ROOT, "src/index.ts"))});
const encryptedKeys = Buffer.from("WOS.EKM.v1\\0" + "x".repeat(60), "latin1").toString("base64");
const key = () => new DataKey({ id: "id", key: new Uint8Array(32).fill(1), encryptedKeys });
const codeOf = (call) => { try { call(); return "none"; } catch (error) { return [error.code, error.message, error.retryable]; } };
const devices = () => fs.readdirSync("/proc/self/fd").filter((fd) => {
  try { return fs.readlinkSync("/proc/self/fd/" + fd) === "/dev/urandom"; } catch { return false; }
});
const nonce = (text) => Buffer.from(text, "base64").subarray(0, 12).toString("hex");
const say = (value) => console.log(JSON.stringify(value));
`;

/** Runs a program on Node and answers the JSON that it says. */
function run(program: string, flags: readonly string[] = [], limits = ""): Promise<unknown> {
  const path = join(freshDirectory(), "program.mjs");
  writeFileSync(path, PRELUDE + program);
  const command = `${limits} exec "$@"`;
  const args = ["-c", command, "sh", process.execPath, "--no-warnings", ...flags, path];
  return new Promise((resolve, reject) => {
    execFile("sh", args, { timeout: 30_000 }, (error, stdout, stderr) => {
      if (error !== null) reject(new Error(`${error.message}\n${stderr}`));
      else resolve(JSON.parse(stdout));
    });
  });
}

describe.runIf(process.platform === "linux")("[ENV-2] the device, in a process", () => {
  test("is opened when a data key is first made, never at import, and once", async () => {
    const said = await run(`
      const before = devices().length;
      key();
      const after = devices().length;
      key(); localEncryptSync("x", key());
      say([before, after, devices().length]);
    `);
    expect(said).toEqual([0, 1, 1]);
  });

  test("is opened when a vault is first made", async () => {
    const said = await run(`
      new Vault({ apiKey: "sk_x", baseUrl: "https://vault.example.com" });
      say(devices().length);
    `);
    expect(said).toBe(1);
  });

  test("without leave to read it: an error that names the permission; decrypting goes on", async () => {
    const [encrypting, making, decrypted] = (await run(
      `
      const sealed = "AAAA";
      say([
        codeOf(() => localEncryptSync("x", key())),
        codeOf(() => new Vault({ apiKey: "sk_x", baseUrl: "https://vault.example.com" })),
        codeOf(() => localDecryptSync(sealed, key())),
      ]);
      `,
      ["--permission", `--allow-fs-read=${REPOSITORY_ROOT}`, "--allow-fs-read=/tmp"],
    )) as [string, string, boolean][];
    for (const said of [encrypting, making]) {
      expect(said![0]).toBe("ERR_RANDOM_UNAVAILABLE");
      expect(said![1]).toContain("--allow-fs-read=/dev/urandom");
    }
    expect(decrypted![0]).toBe("ERR_NOT_CIPHERTEXT");
  });

  test("with leave for that file alone, it serves", async () => {
    const said = await run(`say(localDecryptSync(localEncryptSync("x", key()), key()))`, [
      "--permission",
      `--allow-fs-read=${REPOSITORY_ROOT}`,
      "--allow-fs-read=/tmp",
      "--allow-fs-read=/dev/urandom",
    ]);
    expect(said).toBe("x");
  });

  test("when no file can be opened any more: an error, and served again when there is room", async () => {
    const said = await run(
      `
      const held = [];
      try { for (;;) held.push(fs.openSync("/dev/null")); } catch {}
      const full = codeOf(() => localEncryptSync("x", key()));
      for (const fd of held.splice(0, 2)) fs.closeSync(fd);
      const later = localDecryptSync(localEncryptSync("x", key()), key());
      try { for (;;) held.push(fs.openSync("/dev/null")); } catch {}
      say([full, later, codeOf(() => localEncryptSync("x", key()))]);
      `,
      [],
      "ulimit -n 64;",
    );
    const [full, later, open] = said as [[string, string, boolean], string, string];
    expect([full[0], full[2]]).toEqual(["ERR_RANDOM_UNAVAILABLE", true]);
    expect(full[1]).toContain("ulimit -n");
    expect([later, open]).toEqual(["x", "none"]);
  });

  test.each([
    ["a file", "file"],
    ["an empty file", "empty"],
    ["nothing", "nothing"],
    ["another character device", "/dev/zero"],
    ["a pipe", "pipe"],
  ])(
    "closed by mistake, and %s in its place: nonces stay random, and the other file's bytes are not taken",
    async (_, what) => {
      const directory = freshDirectory();
      writeFileSync(join(directory, "file"), new Uint8Array(100_000));
      writeFileSync(join(directory, "empty"), "");
      const said = await run(`
      const { spawnSync } = await import("node:child_process");
      const held = key();
      localEncryptSync("x", held);
      const [fd] = devices().map(Number);
      fs.closeSync(fd);
      const what = ${JSON.stringify(what)};
      let taken = fd;
      if (what === "pipe") {
        spawnSync("mkfifo", [${JSON.stringify(join(directory, "pipe"))}]);
        taken = fs.openSync(${JSON.stringify(join(directory, "pipe"))}, "r+");
      } else if (what !== "nothing") {
        taken = fs.openSync(what.startsWith("/") ? what : ${JSON.stringify(directory)} + "/" + what, "r");
      }
      const long = "y".repeat(5000);
      const nonces = Array.from({ length: 1000 }, (_, i) => nonce(localEncryptSync(i % 2 ? "x" : long, held)));
      let read = 0;
      if (what === "file") { const one = new Uint8Array(100_000); read = fs.readSync(taken, one, 0, 100_000, null); }
      say([taken === fd, new Set(nonces).size, nonces.filter((each) => each.includes("00000000")).length, read, devices().length]);
    `);
      // All of the file is still there to be read: its position was not moved.
      expect(said).toEqual([true, 1000, 0, what === "file" ? 100_000 : 0, 1]);
    },
  );
});
