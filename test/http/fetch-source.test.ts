/** Ranges of files behind URLs: what is asked of servers, and what they may answer. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { nativeEncryptSync } from "../../src/crypto/native/one-shot.ts";
import { decryptRange, openNativeSource } from "../../src/crypto/native/range.ts";
import { fetchSource } from "../../src/http/fetch-source.ts";
import { seededBytes } from "../support/bytes.ts";
import { rejectionOf } from "../support/errors.ts";
import { SAMPLE_1 } from "../support/samples.ts";

const PLAINTEXT = seededBytes(1, 300_000);
const ENVELOPE = nativeEncryptSync(PLAINTEXT, SAMPLE_1, "aad");

/** Answers that a test puts in the place of a well-behaved server's. */
type Misbehave = (range: [number, number]) => {
  status: number;
  headers?: Record<string, string>;
  body?: Uint8Array;
};

describe("fetchSource", () => {
  let server: Server;
  let url: string;
  let misbehave: Misbehave | undefined;
  let file: Uint8Array = ENVELOPE;
  const asked: string[] = [];

  beforeAll(async () => {
    server = createServer((request, response) => {
      asked.push(request.headers.range!);
      const [start, end] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range!)!.slice(1).map(Number) as [
        number,
        number,
      ];
      if (misbehave !== undefined) {
        const { status, headers, body } = misbehave([start, end]);
        response.writeHead(status, headers).end(body);
      } else if (start >= file.length) {
        response.writeHead(416, { "content-range": `bytes */${file.length}` }).end();
      } else {
        const body = file.subarray(start, end + 1);
        const told = `bytes ${start}-${start + body.length - 1}/${file.length}`;
        response
          .writeHead(206, { "content-range": told, "x-token": request.headers["x-token"] ?? "" })
          .end(body);
      }
    }).listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/file.coffer`;
  });
  afterAll(() => server.close());

  describe("[API-49] redirects", () => {
    /** A server that leads elsewhere, and what came to the place that it leads to. */
    async function startRedirects(target: (request: number) => string): Promise<{
      url: string;
      tokens: (string | undefined)[];
      close(): void;
    }> {
      const tokens: (string | undefined)[] = [];
      let requests = 0;
      const from = createServer((request, response) => {
        tokens.push(request.headers["x-token"] as string | undefined);
        response.writeHead(302, { location: target(requests++) }).end();
      }).listen(0, "127.0.0.1");
      await new Promise((resolve) => from.once("listening", resolve));
      const { port } = from.address() as AddressInfo;
      return { url: `http://127.0.0.1:${port}/`, tokens, close: () => from.close() };
    }

    test("to another origin do not take headers along, also those named by other letters", async () => {
      const from = await startRedirects(() => url);
      const seen: Headers[] = [];
      const recording: typeof fetch = (input, init) => {
        seen.push(new Headers(init?.headers));
        return fetch(input, init);
      };
      const headers = { "X-Token": "s3cret", Authorization: "Bearer s3cret" };
      const source = await fetchSource(from.url, { headers, fetch: recording });
      expect(source.size).toBe(ENVELOPE.length);
      expect(from.tokens).toEqual(["s3cret"]);
      expect(seen.map((sent) => [sent.get("x-token"), sent.get("authorization"), sent.get("range")])).toEqual(
        [
          ["s3cret", "Bearer s3cret", "bytes=0-1023"],
          [null, null, "bytes=0-1023"],
        ],
      );
      from.close();
    });

    test("within an origin do, and without headers are followed as ever", async () => {
      let port = 0;
      const from = await startRedirects((n) => (n === 0 ? `http://127.0.0.1:${port}/next` : url));
      port = Number(new URL(from.url).port);
      await fetchSource(from.url, { headers: { "x-token": "s3cret" } });
      expect(from.tokens).toEqual(["s3cret", "s3cret"]);
      expect((await fetchSource(from.url)).size).toBe(ENVELOPE.length);
      from.close();
    });

    test("that lead nowhere, or in a circle, are an error", async () => {
      for (const target of ["ftp://127.0.0.1/", "http://", "/again"]) {
        const from = await startRedirects(() => target);
        const error = await rejectionOf(() => fetchSource(from.url, { headers: { "x-token": "s3cret" } }));
        expect(error).toMatchObject({ code: "ERR_SERVICE_BAD_RESPONSE" });
        expect(error.message).not.toContain("s3cret");
        expect(from.tokens.length).toBeLessThanOrEqual(21);
        from.close();
      }
    });
  });

  test("costs one request for header and size, one for the end, one per range", async () => {
    asked.length = 0;
    using reader = await openNativeSource(await fetchSource(url), SAMPLE_1, "aad");
    expect(reader.size).toBe(PLAINTEXT.length);
    expect(await reader.read(100_000, 100_050)).toEqual(PLAINTEXT.subarray(100_000, 100_050));
    expect(asked).toHaveLength(3);
    expect(asked[0]).toBe("bytes=0-1023");
    expect(await decryptRange(await fetchSource(new URL(url)), SAMPLE_1, 5, 10, "aad")).toEqual(
      PLAINTEXT.subarray(5, 10),
    );
  });

  test("an empty file, and a request for nothing", async () => {
    file = new Uint8Array(0);
    const source = await fetchSource(url);
    expect(source.size).toBe(0);
    expect(await source.read(0, 0)).toHaveLength(0);
    expect((await rejectionOf(() => decryptRange(source, SAMPLE_1, 0))).code).toBe("ERR_NOT_CIPHERTEXT");
    file = ENVELOPE;
  });

  test("sends the caller's headers and signal, by the caller's fetch", async () => {
    const seen: RequestInit[] = [];
    const fetch: typeof globalThis.fetch = (input, init) => {
      seen.push(init!);
      return globalThis.fetch(input, init);
    };
    const source = await fetchSource(url, { fetch, headers: { "x-token": "t" } });
    const { signal } = new AbortController();
    await source.read(5_000, 10, signal);
    expect(seen.map((init) => (init.headers as Record<string, string>)["x-token"])).toEqual(["t", "t"]);
    expect(seen[1]!.signal).toBe(signal);
    const aborted = AbortSignal.abort(new Error("enough"));
    expect((await rejectionOf(() => fetchSource(url, { signal: aborted }))).message).toBe("enough");
  });

  test.each<[string, Misbehave, string]>([
    ["the whole file", () => ({ status: 200, body: ENVELOPE }), "ERR_UNSUPPORTED"],
    ["nothing found", () => ({ status: 404 }), "ERR_SERVICE_BAD_RESPONSE"],
    ["a refused range without a size", () => ({ status: 416 }), "ERR_SERVICE_BAD_RESPONSE"],
    ["a part without saying which", () => ({ status: 206, body: ENVELOPE }), "ERR_SERVICE_BAD_RESPONSE"],
    [
      "another part",
      () => ({ status: 206, headers: { "content-range": "bytes 5-9/100" }, body: ENVELOPE.subarray(5, 10) }),
      "ERR_SERVICE_BAD_RESPONSE",
    ],
    [
      "more than was asked for",
      () => ({
        status: 206,
        headers: { "content-range": `bytes 0-1023/${ENVELOPE.length}` },
        body: ENVELOPE,
      }),
      "ERR_SERVICE_BAD_RESPONSE",
    ],
    [
      "a size without an end",
      () => ({ status: 206, headers: { "content-range": "bytes 0-1023/*" } }),
      "ERR_SERVICE_BAD_RESPONSE",
    ],
  ])("refuses %s", async (_, answer, code) => {
    misbehave = answer;
    const error = await rejectionOf(() => fetchSource(url));
    misbehave = undefined;
    expect(error.code).toBe(code);
  });

  test("less than was asked for is a file cut off, a part without a body too", async () => {
    const source = await fetchSource(url);
    misbehave = ([start, end]) => ({
      status: 206,
      headers: { "content-range": `bytes ${start}-${end}/${ENVELOPE.length}` },
      body: new Uint8Array(3),
    });
    expect((await rejectionOf(() => decryptRange(source, SAMPLE_1, 0, 1, "aad"))).code).toBe(
      "ERR_ENVELOPE_MALFORMED",
    );
    misbehave = undefined;
    const bodiless: typeof globalThis.fetch = async () =>
      Object.defineProperty(
        new Response(null, { headers: { "content-range": "bytes 0-1023/5000" } }),
        "status",
        { value: 206 },
      );
    const empty = await fetchSource(url, { fetch: bodiless });
    expect(empty.size).toBe(5000);
    expect(await empty.read(0, 100)).toHaveLength(0);
  });

  test("refuses what is no URL", async () => {
    for (const bad of ["file.coffer", "", undefined, 5]) {
      expect((await rejectionOf(() => fetchSource(bad as never))).code).toBe("ERR_INVALID_ARGUMENT");
    }
  });
});
