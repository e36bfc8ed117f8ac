/** What a client does where a service's certificate, or its TLS, is not right: nothing is sent, and the error says so. */
import { createServer as createPlainServer, type RequestListener } from "node:http";
import { createServer, type ServerOptions } from "node:https";
import type { AddressInfo, Server } from "node:net";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { failureToSend } from "../../src/http/attempts.ts";
import { nodeSender } from "../../src/http/node-sender.ts";
import { fetchSender, type Sender } from "../../src/http/sender.ts";
import { Vault } from "../../src/index.ts";
import { Authority } from "../support/certificates.ts";
import { rejectionOf } from "../support/errors.ts";

const trusted = new Authority();
const SENDERS: [string, Sender][] = [
  ["node:http", nodeSender((id) => process.getBuiltinModule(id) as never)],
  ["fetch", fetchSender(fetch)],
];

const before = getCACertificates("default");
beforeAll(() => setDefaultCACertificates([...before, trusted.cert]));
afterAll(() => setDefaultCACertificates(before));

const open: (Server & { closeAllConnections(): void })[] = [];
afterEach(() => {
  for (const server of open.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

/** A service over TLS, or without where no options are given. */
async function serve(options: ServerOptions | undefined): Promise<{ url: string; seen: () => Counts }> {
  const counts = { connections: 0, requests: 0 };
  const answer: RequestListener = (_, response) => {
    counts.requests += 1;
    response.setHeader("content-type", "application/json").end("{}");
  };
  const server = options === undefined ? createPlainServer(answer) : createServer(options, answer);
  server.on("connection", () => {
    counts.connections += 1;
  });
  // A client that gives up says so with an alert.
  server.on("tlsClientError", () => {});
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  open.push(server);
  return { url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`, seen: () => counts };
}

interface Counts {
  readonly connections: number;
  readonly requests: number;
}

const post = () => ({ method: "POST", headers: {}, body: "{}", signal: new AbortController().signal });

/** What is wrong with the certificate. */
const NOT_TRUSTED: [string, () => ServerOptions][] = [
  ["of an unknown authority", () => new Authority().issue()],
  ["of an authority by a trusted one's name", () => new Authority(trusted.name).issue()],
  ["of another name", () => trusted.issue({ names: ["vault.example.com", "10.0.0.1"] })],
  ["that has expired", () => trusted.issue({ endsInDays: -1 })],
];

/** What is wrong with the connection. */
const NO_TLS: [string, () => ServerOptions | undefined][] = [
  ["that speaks no TLS", () => undefined],
  [
    "that speaks TLS 1.1 at most",
    () => ({ ...trusted.issue(), minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "ALL:@SECLEVEL=0" }),
  ],
];

describe.each(SENDERS)("%s", (_, send) => {
  test("a certificate of a trusted authority for this name", async () => {
    const { url } = await serve(trusted.issue());
    expect((await send(new URL(url), post())).status).toBe(200);
  });

  test.each(NOT_TRUSTED)("[API-82] a certificate %s: nothing is sent, and not again", async (_, options) => {
    const { url, seen } = await serve(options());
    const failure = failureToSend(await rejectionOf(() => send(new URL(url), post())));
    expect(failure).toMatchObject({ isRetried: false, mayHaveActed: false });
    expect(failure.error).toMatchObject({ code: "ERR_SERVICE_UNAVAILABLE", retryable: false });
    expect(failure.error.message).toContain("certificate is not trusted");
    expect(seen().requests).toBe(0);
  });

  test.each(NO_TLS)("a server %s: nothing is sent", async (_, options) => {
    const { url, seen } = await serve(options());
    const failure = failureToSend(await rejectionOf(() => send(new URL(url), post())));
    expect(failure).toMatchObject({ isRetried: true, mayHaveActed: false });
    expect(seen().requests).toBe(0);
  });
});

describe.each([
  ["the built-in client", undefined],
  ["fetch", fetch],
])("a vault over HTTPS, by %s", (_, fetch) => {
  test("[API-82] a change that an untrusted service was not told is no unknown outcome, and is tried once", async () => {
    const { url, seen } = await serve(new Authority().issue());
    const vault = new Vault({ apiKey: "k", baseUrl: url, extensions: true, fetch });
    const error = await rejectionOf(() =>
      vault.createKv({ name: "a", value: "b", keyContext: { app: "c" } }),
    );
    expect(error).toMatchObject({ code: "ERR_SERVICE_UNAVAILABLE", retryable: false });
    expect(seen()).toEqual({ connections: 1, requests: 0 });
    await vault.close();
  });
});
