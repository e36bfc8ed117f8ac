/** `coffer` as a process among others: signals, pipes that close, full disks, terminals, several on one vault. */
import { spawnSync } from "node:child_process";
import { closeSync, constants, existsSync, openSync, readdirSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, test } from "vitest";
import { LOCK_WAIT_MS_DEFAULT } from "../../src/vault/limits.ts";
import { CANARY, hasTerminal, type Started, workplace } from "../support/cli.ts";

const SECRET = `s3cret ${CANARY}`;
const ORG_1 = ["--context", "organization_id=org_1"];
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe("signals", () => {
  test("SIGINT and SIGTERM end it while it waits for input, before it has touched anything", async () => {
    const { start, directory } = workplace();
    const [one, two] = [start(["encrypt", ...ORG_1]), start(["encrypt", ...ORG_1])];
    await Promise.all([fed(one), fed(two)]);
    one.child.kill("SIGINT");
    two.child.kill("SIGTERM");
    expect(await one.ended).toMatchObject({ code: 130, out: "", err: "" });
    expect(await two.ended).toMatchObject({ code: 143, out: "", err: "" });
    expect(readdirSync(directory)).toEqual([]);
  });

  test("SIGINT ends it while it waits for a lock, long before the wait is over; the vault stays whole", async () => {
    const { start, out, path } = workplace();
    await out(["kv", "put", "name", SECRET, ...ORG_1]);
    const other = new DatabaseSync(path("vault.db"));
    other.exec("BEGIN IMMEDIATE");
    // A new context needs a KEK, and that the lock.
    const started = start(["encrypt", "--context", "organization_id=org_2"]);
    await fed(started);
    started.child.stdin.end();
    await sleep(1_000);
    const since = performance.now();
    started.child.kill("SIGINT");
    expect(await started.ended).toMatchObject({ code: 130, out: "", err: "" });
    expect(performance.now() - since).toBeLessThan(LOCK_WAIT_MS_DEFAULT - 1_000);
    other.exec("ROLLBACK");
    other.close();
    expect(await out(["kv", "get", "name"])).toBe(SECRET);
    expect(await out(["keys", "list", "--field", "data.1"]).catch(() => "none")).toBe("none");
  });

  test("SIGINT ends it while it waits for a named pipe", async () => {
    const { start, path } = workplace();
    expect(spawnSync("mkfifo", [path("pipe")]).status).toBe(0);
    const { child, ended } = start(["encrypt", "@pipe", ...ORG_1]);
    const writer = await openWriter(path("pipe"));
    child.kill("SIGINT");
    expect(await ended).toMatchObject({ code: 130, out: "", err: "" });
    closeSync(writer);
  });

  /** Waits until the command reads its input: more than any pipe holds has been taken. */
  function fed({ child }: Started): Promise<void> {
    return new Promise((resolve, reject) => {
      child.stdin.write(SECRET.repeat(100_000), (error) => (error ? reject(error) : resolve()));
    });
  }

  /** Opens a named pipe once there is a reader. */
  async function openWriter(path: string): Promise<number> {
    for (;;) {
      try {
        return openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENXIO") throw error;
        await sleep(50);
      }
    }
  }
});

describe("output", () => {
  test("a reader that goes away is no error", async () => {
    const { shell } = workplace();
    const ran = await shell(
      `head -c 3000000 /dev/zero | coffer encrypt --context a=b > c.txt 2> /dev/null
       { coffer decrypt @c.txt; echo $? > code; } | head -c 5 | wc -c | tr -d ' '; cat code`,
    );
    expect(ran).toMatchObject({ code: 0, out: "5\n0\n", err: "" });
  });

  test.skipIf(!existsSync("/dev/full"))("a full disk is one, also where only a part fits", async () => {
    const { shell } = workplace();
    const full = await shell(
      `echo ${CANARY} | coffer encrypt --context a=b > c.txt 2> /dev/null; coffer decrypt @c.txt > /dev/full`,
    );
    expect(full).toMatchObject({ code: 1, out: "" });
    expect(full.err).toMatch(/ENOSPC\) \(ERR_OUTPUT_FAILED\)\n$/);
    // A limit of 512 blocks is more than the vault has, and less than the plaintext.
    const cut = await shell(
      `head -c 600000 /dev/zero | coffer encrypt --context a=b > d.txt
       ulimit -f 512; coffer decrypt @d.txt > cut; echo $?; coffer decrypt @d.txt --out whole; echo $?; ls`,
    );
    expect(cut.out).toBe("1\n1\nc.txt\ncut\nd.txt\nvault.db\nvault.db.root-key\n");
    expect(cut.err.match(/\(ERR_OUTPUT_FAILED\)\n/g)).toHaveLength(2);
  });

  test("input from named pipes, and none from a directory", async () => {
    const { shell } = workplace();
    const ran = await shell(
      `mkfifo pipe; (sleep 1; printf 'from a pipe' > pipe) & coffer encrypt @pipe --context a=b 2> /dev/null | coffer decrypt
       coffer encrypt --context a=b < .; echo " $?"`,
    );
    expect(ran.out).toBe("from a pipe 1\n");
    expect(ran.err).toMatch(
      /^coffer: error: standard input cannot be read .*EISDIR\) \(ERR_INPUT_UNREADABLE\)\n$/,
    );
  });

  test("input that is not read to its end does not stop it", async () => {
    const { shell } = workplace();
    const ran = await shell("yes | coffer kv put big --context a=b; echo $?");
    expect(ran.out).toBe("1\n");
    expect(ran.err).toContain("(ERR_KV_VALUE_TOO_LARGE)");
  });
});

describe.skipIf(!hasTerminal())("on a terminal", () => {
  test("values end with a line break, and what is no plain text is refused", async () => {
    const { out, run, terminal } = workplace();
    const ciphertext = (await out(["encrypt", "plain text", ...ORG_1])).trim();
    expect(await terminal(["decrypt", ciphertext])).toMatchObject({ code: 0, out: "plain text\r\n" });
    for (const bytes of [Uint8Array.of(0xff), "red \u001b[31m", "c1 \u009b"]) {
      const steering = (await run(["encrypt", ...ORG_1], { stdin: bytes })).out.trim();
      const refused = await terminal(["decrypt", steering]);
      expect(refused.code).toBe(1);
      expect(refused.out).toContain("(ERR_OUTPUT_BINARY)");
      expect(refused.out).not.toContain("\u001b");
    }
    const waiting = await terminal(["encrypt", ...ORG_1]);
    expect(waiting.code).toBe(1);
    expect(waiting.out).toContain("no value was given (ERR_USAGE)");
  });

  test("what cannot be undone is confirmed by typing it", async () => {
    const { out, terminal } = workplace();
    await out(["kv", "put", "db", SECRET, ...ORG_1]);
    const prompt = "to confirm: ";
    const wrong = await terminal(["kv", "destroy", "db"], { prompt, typed: "yes\n" });
    expect(wrong.code).toBe(1);
    expect(wrong.out).toContain("Type db to confirm: ");
    expect(wrong.out).toContain("(ERR_NOT_CONFIRMED)");
    const interrupted = await terminal(["keys", "shred", "organization_id=org_1"], {
      prompt,
      typed: "\u0003",
    });
    expect(interrupted.code).toBe(130);
    expect(await out(["kv", "get", "db"])).toBe(SECRET);
    const destroyed = await terminal(["kv", "destroy", "db"], { prompt, typed: "db\n" });
    expect(destroyed.code).toBe(0);
    const typed = "organization_id=org_1\n";
    const shredded = await terminal(["keys", "shred", "organization_id=org_1"], { prompt, typed });
    expect(shredded.code).toBe(0);
    expect(shredded.out).toMatch(/^destroyed +organization_id=org_1\r$/m);
    expect(await out(["keys", "list", "--field", "data.0.state"])).toBe("destroyed");
  });
});

test("several at once on a vault that none of them has found: no put is lost", async () => {
  const { json, start } = workplace();
  const names = Array.from({ length: 6 }, (_, i) => `name-${i}`);
  const puts = [...names, "same", "same"].map((name) => {
    const started = start(["kv", "put", name, "-", ...ORG_1]);
    started.child.stdin.end(`${SECRET} ${name}`);
    return started.ended;
  });
  for (const ran of await Promise.all(puts)) expect(ran.err.replace(/^coffer: note: .*\n/, "")).toBe("");
  const listed = await json(["kv", "list", "--all", "--order", "asc"]);
  const found = listed.data.map((object: { name: string }) => object.name);
  expect(found.sort()).toEqual([...names, "same"]);
  expect((await json(["kv", "versions", "same"])).data).toHaveLength(2);
  const { data } = await json(["keys", "list"]);
  expect(data).toHaveLength(1);
});
