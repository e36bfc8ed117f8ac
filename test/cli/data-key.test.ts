/** `coffer data-key`: the API's CreateDataKey, Decrypt and CreateRekey; the key itself only where it is asked for. */
import { writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { localDecryptSync, localEncryptSync } from "../../src/crypto/index.ts";
import { CANARY, workplace } from "../support/cli.ts";

const ORG_1 = ["--context", "organization_id=org_1"];
const ORG_2 = ["--context", "organization_id=org_2"];

test("creates, unwraps and rekeys; answers are JSON, and hold the key with --show-key alone", async () => {
  const { run, path } = workplace();
  const answer = async (args: readonly string[], stdin?: string) => {
    const ran = await run(["data-key", ...args], { stdin });
    expect(ran).toMatchObject({ code: 0, err: expect.any(String) });
    return JSON.parse(ran.out);
  };
  const made = await answer(["create", ...ORG_1, "--show-key"]);
  expect(Object.keys(made)).toEqual(["id", "context", "encryptedKeys", "dataKey"]);
  expect(made.context).toEqual({ organization_id: "org_1" });
  expect(Buffer.from(made.dataKey, "base64")).toHaveLength(32);
  const hidden = await answer(["create", ...ORG_1]);
  expect(Object.keys(hidden)).toEqual(["id", "context", "encryptedKeys"]);

  writeFileSync(path("wrapped.txt"), `${made.encryptedKeys}\n`);
  const unwrapped = await run(["data-key", "decrypt", "@wrapped.txt"]);
  expect(unwrapped.out).not.toContain(made.dataKey);
  expect(JSON.parse(unwrapped.out)).toMatchObject({ id: made.id, encryptedKeys: made.encryptedKeys });
  const shown = ["decrypt", "@wrapped.txt", "--show-key"];
  expect((await answer(shown)).dataKey).toBe(made.dataKey);

  const moved = await answer(["rekey", ...ORG_2], made.encryptedKeys);
  expect(moved).not.toHaveProperty("dataKey");
  expect(moved.context).toEqual({ organization_id: "org_2" });
  const again = await answer(["decrypt", moved.encryptedKeys, "--show-key"]);
  expect(again).toMatchObject({ context: moved.context, dataKey: made.dataKey });
  const text = localEncryptSync("s3cret", made);
  expect(localDecryptSync(text, again)).toBe("s3cret");
});

test("what is no wrapped key, or has no context, is refused", async () => {
  const { run } = workplace();
  expect((await run(["data-key", "create", ...ORG_1])).code).toBe(0);
  for (const [args, error] of [
    [["create"], "ERR_USAGE"],
    [["decrypt", CANARY], "ERR_KEY_BLOB_MALFORMED"],
    [["rekey", CANARY, ...ORG_2], "ERR_KEY_BLOB_MALFORMED"],
    [["rekey", CANARY], "ERR_USAGE"],
  ] as const) {
    const ran = await run(["data-key", ...args]);
    expect(ran.code, args.join(" ")).not.toBe(0);
    expect(ran).toMatchObject({ out: "", err: expect.stringContaining(`(${error})`) });
  }
});
