/** `coffer keys`, run as a process. */
import { expect, test } from "vitest";
import { CANARY, workplace } from "../support/cli.ts";

const SECRET = `s3cret ${CANARY}`;
const ORG_1 = ["--context", "organization_id=org_1"];

test("list, rotate and rewrap: new versions for new data, then for the stored", async () => {
  const { run, out, json } = workplace();
  await out(["kv", "put", "db", SECRET, ...ORG_1, "--context", "app=a"]);
  const { data } = await json(["keys", "list"]);
  expect(data).toMatchObject([
    { name: "app", value: "a", state: "active", versions: [{ version: 1, kvVersions: 1 }] },
    { name: "organization_id", value: "org_1" },
  ]);
  expect(await out(["keys", "list"])).toMatch(
    new RegExp(`^organization_id +org_1 +active +1 +1 +${data[1].id}$`, "m"),
  );
  expect(await json(["keys", "rotate", "organization_id=org_1"])).toMatchObject({
    id: data[1].id,
    versions: [
      { version: 2, state: "active", kvVersions: 0 },
      { version: 1, state: "decrypt-only", kvVersions: 1 },
    ],
  });
  const rewrapped = await run(["keys", "rewrap"]);
  expect(rewrapped).toMatchObject({ code: 0, out: "checked    1\nrewrapped  1\nskipped    0\n", err: "" });
  const one = await out(["keys", "list", data[1].id.toUpperCase()]);
  expect(one).toMatch(/^KEK +organization_id=org_1\n/);
  expect(one).toMatch(/^2 +active +\S+ +1$/m);
  expect(await out(["kv", "get", "db"])).toBe(SECRET);
});

test("disable and enable take a KEK out of use and back", async () => {
  const { run, out } = workplace();
  const ciphertext = await out(["encrypt", SECRET, ...ORG_1]);
  expect(await out(["keys", "disable", "organization_id=org_1"])).toMatch(/^state +disabled$/m);
  for (const args of [
    ["decrypt", ciphertext.trim()],
    ["encrypt", SECRET, ...ORG_1],
  ]) {
    const ran = await run(args);
    expect(ran).toMatchObject({ code: 2, out: "" });
    expect(ran.err).toContain("(ERR_KEY_DISABLED)\ncoffer: hint: `coffer keys enable KEK`");
  }
  const rotated = await run(["keys", "rotate", "organization_id=org_1"]);
  expect(rotated.code).toBe(2);
  expect(rotated.err).toContain("(ERR_KEY_STATE)");
  await out(["kv", "put", "n", SECRET, "--context", "app=a"]);
  await out(["keys", "disable", "app=a", "--version", "1"]);
  const skipped = await run(["keys", "rewrap", "--field", "skipped"]);
  expect(skipped).toMatchObject({ code: 0, out: "1" });
  expect(skipped.err).toMatch(/^coffer: note: 1 keys were left/);
  expect(await out(["keys", "enable", "organization_id=org_1", "--field", "state"])).toBe("active");
  expect(await out(["decrypt"], { stdin: ciphertext })).toBe(SECRET);
});

test("shred tells first, can be put off and taken back, and is final", async () => {
  const { run, out, json } = workplace();
  const shred = ["keys", "shred", "organization_id=org_1"];
  const ciphertext = await out(["encrypt", SECRET, ...ORG_1]);
  const other = await out(["encrypt", SECRET, "--context", "organization_id=org_2"]);
  await out(["kv", "put", "db", SECRET, ...ORG_1]);
  const foreseen = await out([...shred, "--dry-run"]);
  expect(foreseen).toMatch(/^would destroy +organization_id=org_1$/m);
  expect(foreseen).toMatch(/^erasure +physical: its bytes are overwritten in the vault's files$/m);
  expect(foreseen).toMatch(/^values +1 stored versions are lost$/m);
  expect(foreseen).toMatch(/^recipients +0 private keys are lost$/m);
  expect(await out(["decrypt"], { stdin: ciphertext })).toBe(SECRET);

  const unasked = await run(shred);
  expect(unasked).toMatchObject({ code: 1, out: "" });
  expect(unasked.err).toContain("(ERR_NOT_CONFIRMED)");

  const report = await json([...shred, "--after", "7d", "--yes"]);
  const days = (Date.parse(report.destroyAt) - Date.now()) / 86_400_000;
  expect(days).toBeGreaterThan(6.9);
  expect(days).toBeLessThanOrEqual(7);
  expect((await run(["decrypt"], { stdin: ciphertext })).err).toContain("(ERR_KEY_DISABLED)");
  await out(["keys", "enable", "organization_id=org_1"]);
  expect(await out(["decrypt"], { stdin: ciphertext })).toBe(SECRET);

  expect(await json([...shred, "--yes"])).toMatchObject({
    name: "organization_id",
    value: "org_1",
    versions: [1],
    erasure: "physical",
    kvObjects: { count: 1, sample: ["db"] },
    isDryRun: false,
  });
  for (const [args, error] of [
    [["decrypt", ciphertext.trim()], "ERR_KEY_DESTROYED"],
    [["kv", "get", "db"], "ERR_KEY_DESTROYED"],
    [[...shred, "--yes"], "ERR_KEY_DESTROYED"],
  ] as const) {
    const ran = await run(args);
    expect(ran).toMatchObject({ code: 2, out: "" });
    expect(ran.err).toContain(`(${error})`);
  }
  expect(await out(["decrypt"], { stdin: other })).toBe(SECRET);
});

test("refuse KEKs, versions and durations that are none", async () => {
  const { run, out } = workplace();
  await out(["encrypt", SECRET, ...ORG_1]);
  for (const [args, code] of [
    [["list", CANARY], 1],
    [["list", "=x"], 1],
    [["list", "organization_id="], 1],
    [["list", `organization_id=${CANARY}`], 2],
    [["rotate"], 1],
    [["disable", "organization_id=org_1", "--version", "0"], 1],
    [["disable", "organization_id=org_1", "--version", "9"], 2],
    [["shred", "organization_id=org_1", "--yes", "--after", "7"], 1],
    [["shred", "organization_id=org_1", "--yes", "--after", "0s"], 1],
    [["shred", "organization_id=org_1", "--yes", "--after", "366d"], 1],
  ] as const) {
    const ran = await run(["keys", ...args]);
    expect(ran, args.join(" ")).toMatchObject({ code, out: "" });
  }
  expect(await out(["keys", "list", "--field", "data.0.state"])).toBe("active");
});
