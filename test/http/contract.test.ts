/**
 * Key service and store over HTTP fulfil the contracts of all key services and stores: against a server on SQLite with
 * coffer's extensions and with WorkOS's API only, and on PostgreSQL.
 */
import { describe, expect, test, vi } from "vitest";
import { untilAborted } from "../../src/base/concurrency.ts";
import { VaultError } from "../../src/errors.ts";
import type * as BuiltIn from "../../src/http/built-in.ts";
import {
  HttpKekService,
  HttpKeyService,
  HttpKvService,
  HttpRecipientService,
  Transport,
} from "../../src/http/index.ts";
import type { Erasure } from "../../src/keks/index.ts";
import { kekServiceContract } from "../contract/kek-service.ts";
import { type KeyServiceSubject, keyServiceContract } from "../contract/key-service.ts";
import { kvServiceContract } from "../contract/kv-service.ts";
import { recipientServiceContract } from "../contract/recipient-service.ts";
import { rejectionOf } from "../support/errors.ts";
import { describePostgres, freshDatabaseUrl, openTestPostgresHost } from "../support/postgres.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { freshPath, openTestHost, sessionOf } from "../support/vaults.ts";

const onSqlite = async (): Promise<TestServer> =>
  startServer({ host: await openTestHost({ path: freshPath() }) });
const onPostgres = async (): Promise<TestServer> =>
  startServer({ host: await openTestPostgresHost(await freshDatabaseUrl()) });

/** Until when requests wait before they are sent. */
const { gate } = vi.hoisted(() => ({ gate: { opens: undefined as Promise<void> | undefined } }));

/** Lets requests wait before they are sent, whichever way. */
function gated<Args extends readonly unknown[], R>(
  send: (...args: Args) => Promise<R>,
  signalOf: (...args: Args) => AbortSignal | undefined,
): (...args: Args) => Promise<R> {
  return async (...args) => {
    if (gate.opens !== undefined) await untilAborted(gate.opens, signalOf(...args));
    return send(...args);
  };
}
const gatedFetch = gated(fetch, (_, init) => init?.signal ?? undefined);

vi.mock("../../src/http/built-in.ts", async (original) => {
  const real = await original<typeof BuiltIn>();
  return { ...real, HERE_SENDER: gated(real.HERE_SENDER, (_, { signal }) => signal) };
});

const stall = async (): Promise<() => Promise<void>> => {
  const { promise, resolve } = Promise.withResolvers<void>();
  gate.opens = promise;
  return async () => {
    gate.opens = undefined;
    resolve();
  };
};

function contractsOver(
  where: string,
  start: () => Promise<TestServer>,
  apis: readonly boolean[],
  erasure: Erasure,
): void {
  for (const extensions of apis) {
    const title = `over HTTP, ${where}, ${extensions ? "coffer's API" : "WorkOS's API only"}`;
    // Both ways to send: Node's own client, and `fetch`.
    const way = extensions ? {} : { fetch: gatedFetch };
    const transport = (server: TestServer, apiKey: string): Transport =>
      new Transport({ baseUrl: server.url, apiKey, extensions, ...way });

    keyServiceContract(title, async (): Promise<KeyServiceSubject> => {
      const server = await start();
      const { keks } = await sessionOf(server.host);
      return {
        service: new HttpKeyService(transport(server, server.key)),
        stall,
        foreign: new HttpKeyService(
          transport(server, await server.apiKey(undefined, { environment: "other" })),
        ),
        keks: {
          rotate: (name, value) => keks.rotate({ name, value }),
          disable: (name, value) => keks.disable({ name, value }),
          enable: (name, value) => keks.enable({ name, value }),
          shred: (name, value) => keks.shred({ name, value }),
        },
        tellsContext: extensions,
        isRemote: true,
        close: async () => {
          await server.close();
          await server.host.close();
        },
      };
    });

    if (extensions) {
      kekServiceContract(title, async () => {
        const server = await start();
        const own = transport(server, server.key);
        const other = transport(server, await server.apiKey(undefined, { environment: "other" }));
        return {
          keks: new HttpKekService(own),
          stall,
          keys: new HttpKeyService(own),
          kv: new HttpKvService(own),
          foreign: new HttpKekService(other),
          erasure,
          close: async () => {
            await server.close();
            await server.host.close();
          },
        };
      });
      recipientServiceContract(title, async () => {
        const server = await start();
        const own = transport(server, server.key);
        const other = transport(server, await server.apiKey(undefined, { environment: "other" }));
        return {
          recipients: new HttpRecipientService(own),
          keys: new HttpKeyService(own),
          foreign: new HttpRecipientService(other),
          close: async () => {
            await server.close();
            await server.host.close();
          },
        };
      });
    } else {
      test(`KekService and RecipientService: ${title}: say that there are none`, async () => {
        const server = await start();
        const keks = new HttpKekService(transport(server, server.key));
        const recipients = new HttpRecipientService(transport(server, server.key));
        for (const work of [
          () => keks.rotate({ name: "a", value: "b" }),
          () => recipients.create({ context: { a: "b" } }),
        ]) {
          const error = await rejectionOf(work);
          expect(error).toBeInstanceOf(VaultError);
          expect(error).toMatchObject({ code: "ERR_UNSUPPORTED" });
        }
        await server.close();
        await server.host.close();
      });
    }

    kvServiceContract(
      title,
      async () => {
        const server = await start();
        return {
          kv: new HttpKvService(transport(server, server.key)),
          stall,
          foreign: new HttpKvService(
            transport(server, await server.apiKey(undefined, { environment: "other" })),
          ),
          close: async () => {
            await server.close();
            await server.host.close();
          },
        };
      },
      { hasExtensions: extensions, modelRuns: 3 },
    );
  }
}

describe("on SQLite", () => contractsOver("on SQLite", onSqlite, [true, false], "physical"));
describePostgres("on PostgreSQL", () => contractsOver("on PostgreSQL", onPostgres, [true], "logical"));
