/** The API's names are the types of the calls: what one answers, the other takes. */
import { expect, expectTypeOf, test } from "vitest";
import type {
  Actor,
  CreateDataKeyRequest,
  CreateDataKeyResponse,
  CreateObjectRequest,
  DecryptRequest,
  DecryptResponse,
  DeleteObjectResponse,
  ErrorResponse,
  ListMetadata,
  ObjectMetadata,
  ObjectSummary,
  ObjectVersion,
  ObjectWithoutValue,
  RekeyRequest,
  UpdateObjectRequest,
  Vault,
  VaultObject,
  VersionListResponse,
} from "../../src/index.ts";
import { openTestVault } from "../support/vaults.ts";

type Answer<Call extends keyof Vault> = Vault[Call] extends (...args: never[]) => infer Result
  ? Awaited<Result>
  : never;

test("requests and answers of the calls have the API's names", () => {
  expectTypeOf<Answer<"createKv">>().toEqualTypeOf<ObjectMetadata>();
  expectTypeOf<Answer<"getKv">>().toEqualTypeOf<VaultObject>();
  expectTypeOf<Answer<"updateKv">>().toEqualTypeOf<ObjectWithoutValue>();
  expectTypeOf<Answer<"deleteKv">>().toEqualTypeOf<DeleteObjectResponse>();
  expectTypeOf<Answer<"listKvVersions">>().toEqualTypeOf<VersionListResponse>();
  expectTypeOf<Answer<"listKvVersions">["data"][number]>().toEqualTypeOf<ObjectVersion>();
  expectTypeOf<Answer<"listKv">["data"][number]>().toEqualTypeOf<ObjectSummary>();
  expectTypeOf<Answer<"listKv">["listMetadata"]>().toEqualTypeOf<ListMetadata>();
  expectTypeOf<ObjectMetadata["updatedBy"]>().toEqualTypeOf<Actor>();
  expectTypeOf<Answer<"createDataKey">>().toEqualTypeOf<CreateDataKeyResponse>();
  expectTypeOf<Answer<"createDecrypt">>().toEqualTypeOf<DecryptResponse>();
  expectTypeOf<CreateObjectRequest>().toExtend<Parameters<Vault["createKv"]>[0]>();
  expectTypeOf<UpdateObjectRequest>().toExtend<Parameters<Vault["updateKv"]>[0]>();
  expectTypeOf<CreateDataKeyRequest>().toExtend<Parameters<Vault["createDataKey"]>[0]>();
  expectTypeOf<DecryptRequest>().toExtend<Parameters<Vault["createDecrypt"]>[0]>();
  expectTypeOf<RekeyRequest>().toExtend<Parameters<Vault["createRekey"]>[0]>();
  expectTypeOf<ErrorResponse["error"]>().toEqualTypeOf<string>();
});

test("order: normal is the newest first, as the API has it", async () => {
  const vault = await openTestVault();
  const keyContext = { organization_id: "org_1" };
  for (const name of ["a", "b"]) await vault.putKv({ name, value: "x", keyContext });
  const names = async (order: "asc" | "desc" | "normal"): Promise<string[]> =>
    (await vault.listKv({ order })).data.map(({ name }) => name);
  expect(await names("normal")).toEqual(["b", "a"]);
  expect(await names("desc")).toEqual(["b", "a"]);
  expect(await names("asc")).toEqual(["a", "b"]);
  const other = { order: "newest" } as never;
  await expect(vault.listKv(other).then()).rejects.toThrow(RangeError);
});
