/** What PostgreSQL refuses, by the real thing: typed errors that name what to do, SQLSTATE for a log, and TLS as libpq has it. */
import { chownSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { migratePostgres } from "../../src/vault/storage/postgres/migrate.ts";
import { openPostgres } from "../../src/vault/storage/postgres/open.ts";
import { readTls } from "../../src/vault/storage/postgres/url.ts";
import { Authority } from "../support/certificates.ts";
import { rejectionOf } from "../support/errors.ts";
import {
  adminQuery,
  databaseName,
  describePostgres,
  emptyDatabaseUrl,
  freshDatabaseUrl,
  startStandby,
} from "../support/postgres.ts";
import { expectNoTrace } from "../support/secrets.ts";
import { freshDirectory } from "../support/vaults.ts";

type Failure = Error & { code: string; retryable: boolean; cause?: { name: string; code: string } };

async function failure(call: () => Promise<unknown>): Promise<Failure> {
  const error = (await rejectionOf(call)) as unknown as Failure;
  expect(error.name).toBe("VaultError");
  return error;
}

const userOf = (url: string, user: string): string =>
  url.replace("postgres://postgres@", `postgres://${user}@`);

describePostgres("what PostgreSQL refuses", () => {
  test("opening and migrating: each reason has a code, words that help, and its SQLSTATE", async () => {
    const url = await freshDatabaseUrl();
    const database = databaseName(url);
    await adminQuery("CREATE ROLE powerless LOGIN", database);
    await adminQuery("CREATE ROLE crowded LOGIN CONNECTION LIMIT 0", database);
    const empty = userOf(await emptyDatabaseUrl(), "powerless");
    const cases: [() => Promise<unknown>, string, boolean, string, RegExp][] = [
      [
        () => openPostgres({ url: userOf(url, "powerless") }),
        "ERR_STORAGE_UNAVAILABLE",
        false,
        "42501",
        /grant/,
      ],
      [() => migratePostgres({ url: empty }), "ERR_STORAGE_UNAVAILABLE", false, "42501", /grant/],
      [
        () => openPostgres({ url: userOf(url, "crowded") }),
        "ERR_STORAGE_BUSY",
        true,
        "53300",
        /max_connections/,
      ],
      [
        () => openPostgres({ url: userOf(url, "nobody") }),
        "ERR_STORAGE_UNAVAILABLE",
        false,
        "28000",
        /password/,
      ],
      [() => openPostgres({ url: `${url}_not` }), "ERR_STORAGE_UNAVAILABLE", false, "3D000", /create it/],
      [
        () => openPostgres({ url: "postgres://u:hunter2@nowhere.invalid/x" }),
        "ERR_STORAGE_UNAVAILABLE",
        false,
        "ENOTFOUND",
        /host name/,
      ],
      [
        () => openPostgres({ url: "postgres://u:hunter2@localhost/x?host=/nowhere" }),
        "ERR_STORAGE_UNAVAILABLE",
        false,
        "ENOENT",
        /socket/,
      ],
    ];
    for (const [call, code, retryable, state, words] of cases) {
      const error = await failure(call);
      // A machine without any resolver says that it cannot look names up now.
      if (error.cause?.code === "EAI_AGAIN") continue;
      expect([error.code, error.retryable, error.cause?.code]).toEqual([code, retryable, state]);
      expect(error.cause?.name).toBe("PostgresError");
      expect(error.message).toMatch(words);
      expectNoTrace(error, [Buffer.from("hunter2")]);
    }
  });

  test("a standby is told as read-only, by opening and by migrating", async () => {
    const url = await freshDatabaseUrl();
    const standby = await startStandby();
    const there = url.replace(/:\d+\//, `:${standby.port}/`);
    for (const call of [() => openPostgres({ url: there }), () => migratePostgres({ url: there })]) {
      const error = await failure(call);
      expect(error).toMatchObject({ code: "ERR_STORAGE_READ_ONLY", retryable: false });
      expect(error.message).toContain("name the primary");
    }
    await standby.stop();
  }, 60_000);

  test("a connection that the server ends before COMMIT: nothing happened, try again", async () => {
    const url = await freshDatabaseUrl();
    const database = await openPostgres({ url });
    const killed = await failure(() =>
      database.write(async (sql) => {
        const { pid } = (await sql.get("SELECT pg_backend_pid() AS pid"))!;
        await adminQuery(`SELECT pg_terminate_backend(${pid})`);
        await new Promise((resolve) => setTimeout(resolve, 50));
        await sql.run("DELETE FROM meta");
      }),
    );
    expect(killed).toMatchObject({ code: "ERR_STORAGE_UNAVAILABLE", retryable: true });
    expect(killed.cause?.code).toBe("57P01");
    const idle = await failure(() =>
      database.write(async (sql) => {
        await sql.run("SET LOCAL idle_in_transaction_session_timeout = 20");
        await new Promise((resolve) => setTimeout(resolve, 200));
        await sql.run("DELETE FROM meta");
      }),
    );
    expect(idle).toMatchObject({ code: "ERR_STORAGE_UNAVAILABLE", retryable: true });
    expect(idle.cause?.code).toBe("25P03");
    expect(await database.write(async () => "done")).toBe("done");
    await database.close();
  });

  test("values of a statement are in no error", async () => {
    const database = await openPostgres({ url: await freshDatabaseUrl() });
    const error = await failure(() =>
      database.read((sql) => sql.get("SELECT CAST(? AS BIGINT) AS n", "hunter2 is no number")),
    );
    expect(error.cause?.code).toBe("22P02");
    expectNoTrace(error, [Buffer.from("hunter2")]);
    await database.close();
  });
});

describe("what a URL says of TLS", () => {
  const at = (query: string): string => `postgres://u:hunter2@db.example/x${query}`;

  test("parameters that cannot be kept, and unknown values, are refused", async () => {
    for (const query of [
      "channel_binding=require",
      "gssencmode=require",
      "require_auth=scram-sha-256",
      "requirepeer=postgres",
      "sslcrldir=/x",
      "sslnegotiation=direct",
      "sslsni=0",
    ]) {
      const error = await failure(async () => readTls(at(`?sslmode=verify-full&${query}`)));
      expect(error.code).toBe("ERR_UNSUPPORTED");
      expect(error.message).toContain(query.split("=")[0]);
    }
    for (const query of ["?sslmode=verify", "?ssl=maybe", "?ssl_min_protocol_version=TLSv9"]) {
      expect(() => readTls(at(query))).toThrow(RangeError);
    }
    expect(() => readTls(at("?sslmode=require&sslrootcert=system"))).toThrow(RangeError);
    expect(() => readTls(at("?sslmode=disable"), { ca: "x" })).toThrow(RangeError);
    for (const url of ["", "hunter2", "mysql://u:hunter2@h/x", 7]) {
      expect(() => readTls(url as string)).toThrow(TypeError);
    }
  });

  test("a URL that cannot be read is a TypeError that does not repeat it", async () => {
    for (const url of ["postgres://u:hunter2@[bad/x", "postgres://u:hunter2@h:port/x"]) {
      const error = await rejectionOf(() => openPostgres({ url }));
      expect(error).toBeInstanceOf(TypeError);
      expectNoTrace(error, [Buffer.from("hunter2")]);
    }
  });

  test("a file that is not there is named by its parameter", async () => {
    for (const name of ["sslrootcert", "sslcert", "sslkey", "sslcrl"]) {
      const error = await failure(async () => readTls(at(`?sslmode=verify-full&${name}=/nowhere/file`)));
      expect(error).toMatchObject({ code: "ERR_STORAGE_UNAVAILABLE", cause: { code: "ENOENT" } });
      expect(error.message).toContain(name);
    }
  });

  test("the library is told nothing of it", () => {
    const { url } = readTls(
      at("?sslmode=verify-full&options=-c%20geqo%3Doff&ssl_min_protocol_version=TLSv1.3"),
    );
    expect(url).toBe(at("?options=-c%20geqo%3Doff"));
  });
});

describePostgres("TLS with a server", () => {
  const trusted = new Authority();
  let ca: string;
  let otherCa: string;
  let url: string;
  const query = (parameters: string): string => `${url}?${parameters}`;

  beforeAll(async () => {
    url = await freshDatabaseUrl();
    const directory = freshDirectory();
    const keep = (name: string, { cert }: Authority): string => {
      const path = join(directory, name);
      writeFileSync(path, cert);
      return path;
    };
    ca = keep("ca.crt", trusted);
    otherCa = keep("other.crt", new Authority());
    await useCertificate(["db.example"]);
  });

  /** Lets the server have a certificate for these names. */
  async function useCertificate(names: readonly string[]): Promise<void> {
    const { cert, key } = trusted.issue({ names });
    const data = (await adminQuery("SHOW data_directory"))[0]!.data_directory as string;
    const { uid, gid } = statSync(data);
    for (const [name, content] of Object.entries({ "server.crt": cert, "server.key": key })) {
      writeFileSync(join(data, name), content, { mode: 0o600 });
      if (process.getuid?.() === 0) chownSync(join(data, name), uid, gid);
    }
    await setTls("on");
  }

  async function setTls(state: "on" | "off"): Promise<void> {
    await adminQuery(`ALTER SYSTEM SET ssl = ${state}`);
    await adminQuery("SELECT pg_reload_conf()");
    await new Promise((resolve) => setTimeout(resolve, 300));
  }

  /** Whether the connection is encrypted, or the code that it failed with. */
  async function outcome(parameters: string): Promise<unknown> {
    try {
      const database = await openPostgres({ url: query(parameters) });
      const row = await database.read((sql) =>
        sql.get("SELECT count(*) AS n FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl"),
      );
      await database.close();
      return row!.n === 1;
    } catch (error) {
      return (error as Failure).cause?.code;
    }
  }

  test("modes mean what they do to libpq", async () => {
    for (const [parameters, expected] of [
      ["sslmode=disable", false],
      ["", true],
      ["sslmode=allow", true],
      ["sslmode=prefer", true],
      ["sslmode=require", true],
      ["ssl=true", true],
      [`sslmode=require&sslrootcert=${ca}`, true],
      [`sslmode=require&sslrootcert=${otherCa}`, "UNABLE_TO_VERIFY_LEAF_SIGNATURE"],
      // The certificate is for db.example, not for this address.
      [`sslmode=verify-ca&sslrootcert=${ca}`, true],
      [`sslmode=verify-ca&sslrootcert=${otherCa}`, "UNABLE_TO_VERIFY_LEAF_SIGNATURE"],
      [`sslmode=verify-full&sslrootcert=${ca}`, "ERR_TLS_CERT_ALTNAME_INVALID"],
      ["sslmode=verify-full", "UNABLE_TO_VERIFY_LEAF_SIGNATURE"],
    ] as const) {
      expect([parameters, await outcome(parameters)]).toEqual([parameters, expected]);
    }
    await useCertificate(["127.0.0.1"]);
    expect(await outcome(`sslmode=verify-full&sslrootcert=${ca}`)).toBe(true);
    expect(await outcome(`sslmode=verify-full&sslrootcert=${otherCa}`)).toBe(
      "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
    );
  });

  test("a server without TLS: optional modes go on without, the others do not", async () => {
    await setTls("off");
    expect(await outcome("sslmode=prefer")).toBe(false);
    expect(await outcome("")).toBe(false);
    const error = await failure(() => openPostgres({ url: query("sslmode=require") }));
    expect(error).toMatchObject({ code: "ERR_STORAGE_UNAVAILABLE", retryable: false });
    expect(error.message).toContain("no TLS");
  });

  test("what the program gives is not weakened by the URL", async () => {
    await setTls("on");
    const tls = { ca: new Authority().cert };
    const error = await failure(() => openPostgres({ url: query("sslmode=no-verify"), tls }));
    expect(error.cause?.code).toBe("UNABLE_TO_VERIFY_LEAF_SIGNATURE");
  });
});
