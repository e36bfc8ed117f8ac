/** The suite x-wing where the runtime has no ML-KEM-768: by a package that is passed as an argument, to sealers and to vaults. */
import { ml_kem768 } from "@noble/post-quantum/ml-kem.js";
import { expect, test, vi } from "vitest";
import { mlKemOf, SealedEncryptor } from "../../src/sealed/index.ts";
import { errorOf, rejectionOf } from "../support/errors.ts";
import { freshPath, openTestVault } from "../support/vaults.ts";

vi.mock("../../src/crypto/hpke/built-in.ts", () => ({ HERE_ML_KEM: undefined }));

const CONTEXT = { organization_id: "org_1" };
const UNSUPPORTED = { code: "ERR_UNSUPPORTED" };
const mlKem = mlKemOf(ml_kem768);

test("sealed with a peer, opened and absorbed by a vault with one, and refused without ([SDK-4])", async () => {
  const path = freshPath(true);
  const vault = await openTestVault({ path, mlKem, cache: { maxEntries: 0 } });
  const { id } = await vault.recipients.create({ context: CONTEXT, suite: "x-wing" });
  await vault.recipients.rotate({ id });
  const recipient = await vault.recipients.document({ id });
  const encryptor = new SealedEncryptor({ recipient, mlKem });
  const texts = [await encryptor.encrypt("one"), encryptor.encryptSync("two")];
  const [one, two] = texts;
  expect([await vault.decrypt(one!), await vault.decrypt(two!)]).toEqual(["one", "two"]);
  const [first] = await vault.rewrapMany(texts);
  expect(first).toMatchObject({ ok: true });

  const without = await openTestVault({ path, cache: { maxEntries: 0 } });
  expect(await rejectionOf(() => without.decrypt(one!))).toMatchObject(UNSUPPORTED);
  const create = () => without.recipients.create({ context: CONTEXT, suite: "x-wing" });
  expect(await rejectionOf(create)).toMatchObject(UNSUPPORTED);
  const sealer = new SealedEncryptor({ recipient });
  expect(await rejectionOf(() => sealer.encrypt("x"))).toMatchObject(UNSUPPORTED);
  expect(errorOf(() => sealer.encryptSync("x"))).toMatchObject(UNSUPPORTED);
  // What was absorbed needs none.
  expect(await without.decrypt((first as { value: string }).value)).toBe("one");
});

test("what is no ML-KEM is refused by vaults too, before anything is opened", async () => {
  const open = () => openTestVault({ mlKem: ml_kem768 as never });
  expect(await rejectionOf(open)).toMatchObject({ code: "ERR_INVALID_ARGUMENT" });
});
