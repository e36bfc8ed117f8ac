/** Where requests go: whatever a base URL, an id or a name is spelled like, host, scheme and prefix stay; keys by kind. */
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { BaseUrl } from "../../src/http/base-url.ts";
import { type HttpOptions, Transport } from "../../src/http/index.ts";
import { Vault } from "../../src/index.ts";
import { errorOf, rejectionOf } from "../support/errors.ts";

const CONTEXT = { organization_id: "org_1" };

/** What would be sent, where and with which key. */
interface Sent {
  readonly url: URL;
  readonly authorization: string;
}

function recorder(): { sent: Sent[]; fetch: typeof globalThis.fetch } {
  const sent: Sent[] = [];
  return {
    sent,
    fetch: async (input, init) => {
      const headers = new Headers(init?.headers);
      sent.push({ url: new URL(String(input)), authorization: headers.get("authorization")! });
      return Response.json({ error: "Not Found" }, { status: 404 });
    },
  };
}

/** Pieces that mean something to one URL parser or another. */
const piece = fc.constantFrom(
  ..."/ // /// \\ @ : ? # . .. ./ ../ %2e %2E%2e %2f %5c %00 %40 [ ] [::1] ; , + % & =".split(" "),
  ..."http: https: HTTP:// javascript: //evil.example evil.example 127.0.0.1 127.1 0x7f.1 2130706433".split(
    " ",
  ),
  ..."localhost localhost. LOCALHOST vault.example.com :8200 :443 :80 user user:pass é 。 a b".split(" "),
  " ",
  "\t",
  "\n",
  "\r\n",
  "\0",
  "\u00a0",
  "\u202e",
);
const spelling = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.array(piece, { maxLength: 7 }).map((all) => all.join("")),
);
const anyBase = fc
  .tuple(
    fc.constantFrom("http://", "https://", "HTTPS://", "http:", ""),
    spelling,
    spelling,
    fc.constantFrom("", "/", "//", "///"),
  )
  .map((parts) => parts.join(""));
/** Half of them good up to the path, so that what comes behind is tried as well. */
const baseText = fc.oneof(
  anyBase,
  fc
    .tuple(
      fc.constantFrom("https://vault.example.com", "HTTP://127.0.0.1:8200"),
      fc.constantFrom("", "/"),
      spelling,
    )
    .map((parts) => parts.join("")),
);

describe("[API-43] host, scheme and prefix stay", () => {
  test.each([
    ["https://vault.example.com//", "https://vault.example.com/vault/v1/kv"],
    ["https://vault.example.com///", "https://vault.example.com/vault/v1/kv"],
    ["http://127.0.0.1:8200//", "http://127.0.0.1:8200/vault/v1/kv"],
    ["https://vault.example.com//a", "https://vault.example.com//a/vault/v1/kv"],
    ["https://vault.example.com/a/../b/", "https://vault.example.com/b/vault/v1/kv"],
    ["https://VAULT.example.com:443/a%2Fb", "https://vault.example.com/a%2Fb/vault/v1/kv"],
    ["https://[2001:db8::1]:8200", "https://[2001:db8::1]:8200/vault/v1/kv"],
    ["http://[::1]:8200/", "http://[::1]:8200/vault/v1/kv"],
    ["https://vault.example.com./", "https://vault.example.com./vault/v1/kv"],
    ["http://2130706433/", "http://127.0.0.1/vault/v1/kv"],
  ])("%s", async (baseUrl, asked) => {
    const { sent, fetch } = recorder();
    const vault = new Vault({ apiKey: "sk_1", baseUrl, fetch, maxRetries: 0 });
    await rejectionOf(async () => vault.listKv());
    expect(sent.map(({ url }) => url.origin + url.pathname)).toEqual([asked]);
  });

  test.each([
    "//vault.example.com",
    "https:vault.example.com",
    "https:/vault.example.com",
    "https:///vault.example.com",
    "https:\\\\vault.example.com",
    "https://vault.example.com\\evil",
    "https://vault.example.com@evil.example",
    "https://@vault.example.com",
    "https://user:password@vault.example.com",
    "https://vault.example.com?",
    "https://vault.example.com/#",
    " https://vault.example.com",
    "https://vault.example.com ",
    "https://vault.\texample.com",
    "https://vault.example.com\n",
    "https://vaülts.example.com",
    "http://localhost.",
    "http://127.0.0.1.evil.example",
    "http://evil.example//127.0.0.1",
    "ftp://127.0.0.1",
  ])("%j is refused", (baseUrl) => {
    expect(errorOf(() => new Transport({ apiKey: "sk_1", baseUrl })).code).toBe("ERR_INVALID_ARGUMENT");
  });

  test("for every spelling of base URL, segment and query", () => {
    let made = 0;
    fc.assert(
      fc.property(
        baseText,
        fc.array(spelling, { minLength: 1, maxLength: 4 }),
        spelling,
        (text, segments, query) => {
          let base: BaseUrl;
          let url: URL;
          try {
            base = new BaseUrl(text, false);
            url = base.join(["vault", "v1", ...segments], { search: query });
          } catch (error) {
            expect(error).toMatchObject({ code: "ERR_INVALID_ARGUMENT" });
            return;
          }
          made += 1;
          const read = new URL(text);
          expect([url.protocol, url.host, url.username, url.password, url.hash]).toEqual([
            read.protocol,
            read.host,
            "",
            "",
            "",
          ]);
          if (url.protocol === "http:")
            expect(url.hostname).toMatch(/^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/);
          // What comes back out of the path is what went in, segment by segment.
          expect(url.pathname.startsWith(`${base.prefix}/vault/v1/`)).toBe(true);
          const behind = url.pathname.slice(base.prefix.length).split("/").slice(3);
          expect(behind.map(decodeURIComponent)).toEqual(segments);
          expect([...url.searchParams]).toEqual([["search", query.toWellFormed()]]);
        },
      ),
      { numRuns: 3_000 },
    );
    expect(made).toBeGreaterThan(100);
  });
});

describe("[API-44] a key from the environment goes to its own kind of service", () => {
  beforeEach(() => {
    for (const name of ["COFFER_API_KEY", "WORKOS_API_KEY", "COFFER_BASE_URL"]) vi.stubEnv(name, undefined);
  });
  afterEach(() => {
    vi.unstubAllEnvs();
  });

  async function ask(options: HttpOptions): Promise<Sent | undefined> {
    const { sent, fetch } = recorder();
    const vault = new Vault({ ...options, fetch, maxRetries: 0 });
    await rejectionOf(() => vault.createDataKey({ context: CONTEXT }));
    return sent[0];
  }

  const COFFER = { COFFER_API_KEY: "sk_coffer" };
  const WORKOS = { WORKOS_API_KEY: "sk_workos" };
  const SERVER = { COFFER_BASE_URL: "https://coffer.example" };

  test.each<[Record<string, string>, HttpOptions, string, string]>([
    [WORKOS, {}, "https://api.workos.com", "sk_workos"],
    [WORKOS, { baseUrl: "https://api.workos-test.com" }, "https://api.workos-test.com", "sk_workos"],
    [
      { ...COFFER, ...WORKOS },
      { baseUrl: "https://api.workos.com./" },
      "https://api.workos.com.",
      "sk_workos",
    ],
    [{ ...COFFER, ...SERVER }, {}, "https://coffer.example", "sk_coffer"],
    [{ ...COFFER, ...WORKOS, ...SERVER }, {}, "https://coffer.example", "sk_coffer"],
    [COFFER, { baseUrl: "https://other.example" }, "https://other.example", "sk_coffer"],
    [COFFER, { baseUrl: "https://notworkos.com" }, "https://notworkos.com", "sk_coffer"],
    [WORKOS, { apiKey: "sk_given", baseUrl: "https://other.example" }, "https://other.example", "sk_given"],
    [{}, { apiKey: "sk_given" }, "https://api.workos.com", "sk_given"],
  ])("%j with %j", async (environment, options, origin, key) => {
    for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, value);
    expect(await ask(options)).toMatchObject({ url: { origin }, authorization: `Bearer ${key}` });
  });

  test.each<[Record<string, string>, HttpOptions, RegExp]>([
    [COFFER, {}, /COFFER_BASE_URL/],
    [{ ...COFFER, ...WORKOS }, {}, /COFFER_BASE_URL/],
    [COFFER, { baseUrl: "https://api.workos.com" }, /WORKOS_API_KEY; COFFER_API_KEY is not sent/],
    [WORKOS, { baseUrl: "https://workos.com.evil.example" }, /COFFER_API_KEY; WORKOS_API_KEY is not sent/],
    [{ ...WORKOS, ...SERVER }, {}, /COFFER_API_KEY; WORKOS_API_KEY is not sent/],
    [{}, {}, /apiKey or WORKOS_API_KEY$/],
    [SERVER, {}, /apiKey or COFFER_API_KEY$/],
  ])("%j with %j is refused", async (environment, options, message) => {
    for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, value);
    const error = errorOf(() => new Vault(options));
    expect(error).toMatchObject({ code: "ERR_INVALID_ARGUMENT", message: expect.stringMatching(message) });
    expect(error.message).not.toContain("sk_");
  });
});
