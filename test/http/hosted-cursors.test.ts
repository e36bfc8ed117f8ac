/** The hosted service's cursors: the next page's was seen under the name of `before`. */
import { expect, test } from "vitest";
import { Vault } from "../../src/index.ts";

test("a list of the hosted service is walked to its end although only `before` holds the next cursor", async () => {
  const names = Array.from({ length: 7 }, (_, i) => `object-${i}`);
  const asked: string[] = [];
  const fetch = async (input: unknown): Promise<Response> => {
    const url = new URL(String(input));
    asked.push(url.searchParams.get("after") ?? "");
    const start = names.indexOf(url.searchParams.get("after") ?? "") + 1;
    const page = names.slice(start, start + 3);
    const before = start + 3 < names.length ? page.at(-1) : null;
    const data = page.map((name) => ({ id: name, name, updated_at: "2026-01-01T00:00:00Z" }));
    return Response.json({ data, list_metadata: { before, after: null } });
  };
  const vault = new Vault({
    apiKey: "sk_test",
    baseUrl: "http://127.0.0.1:1",
    extensions: false,
    fetch: fetch as typeof globalThis.fetch,
  });
  const seen: string[] = [];
  for await (const { name } of vault.listKv({ limit: 3 })) seen.push(name);
  expect(seen).toEqual(names);
  expect(asked).toEqual(["", "object-2", "object-5"]);
});
