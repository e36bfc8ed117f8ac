/**
 * The URL of a PostgreSQL database: what it says about TLS, in libpq's meaning (PostgreSQL's manual, sections 34.1.2 and
 * 34.19).
 *
 * Owns the TLS parameters: each means what libpq means by it, or is refused; none is passed over. The library `pg` reads
 * them differently, so it never sees them. Everything else of the URL is left to it. Must not know connections.
 *
 * @module
 */
import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import type { ConnectionOptions, SecureVersion } from "node:tls";
import { invalidRange, invalidType, VaultError } from "../../../errors.ts";

/** How to secure a connection. */
export interface TlsChoice {
  /** The URL without what is said here. */
  readonly url: string;
  /** For `pg`: false for none. */
  readonly ssl: false | ConnectionOptions;
  /** A server that offers no TLS is spoken to without. */
  readonly isOptional: boolean;
  /** Who the server is, is not checked. */
  readonly isUnverified: boolean;
}

/** PEM texts, as {@link import("./postgres.ts").PostgresOptions} takes them. */
export interface TlsTexts {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

const MODES = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] as const;
/** `pg`'s own word for `require` without a CA: said so plainly that it may stay. */
const MODE_UNVERIFIED = "no-verify";
const VERSIONS = ["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"];
/** libpq's default of ssl_min_protocol_version. */
const VERSION_MIN_DEFAULT = "TLSv1.2";
/** Where libpq looks for the CA unless told otherwise, within the home directory. */
const CA_DEFAULT = [".postgresql", "root.crt"];
/** Stands for the system's CAs. */
const CA_SYSTEM = "system";

/** Parameters that would protect more than `pg` can: the values under which nothing is lost by leaving them out. */
const CANNOT: Readonly<Record<string, readonly string[]>> = {
  channel_binding: ["disable", "prefer"],
  gssencmode: ["disable", "prefer"],
  require_auth: [""],
  requirepeer: [""],
  sslcertmode: ["allow", "disable"],
  sslcompression: ["0"],
  sslcrldir: [""],
  sslnegotiation: ["postgres"],
  sslsni: ["1"],
};
/** Parameters that are taken out of the URL because they were dealt with here. */
const TAKEN = [
  "ssl",
  "sslmode",
  "sslrootcert",
  "sslcert",
  "sslkey",
  "sslpassword",
  "sslcrl",
  "ssl_min_protocol_version",
  "ssl_max_protocol_version",
  "uselibpqcompat",
];

/**
 * Reads what a URL says about TLS. Without `sslmode` it is the environment variable PGSSLMODE, else `prefer`.
 *
 * @param tls - given by the program: TLS with a server that these prove, whatever the URL says
 * @throws TypeError for what is no URL, RangeError for a value that libpq does not know either; VaultError ERR_UNSUPPORTED
 *   for what cannot be kept, ERR_STORAGE_UNAVAILABLE for a file that cannot be read
 */
export function readTls(url: string, tls?: TlsTexts): TlsChoice {
  if (typeof url !== "string" || !/^postgres(ql)?:\/\//i.test(url)) {
    throw invalidType("url must be postgres://user:password@host:port/database");
  }
  const mark = url.indexOf("?");
  const parameters = new URLSearchParams(mark < 0 ? "" : url.slice(mark + 1));
  const given = (name: string): string | undefined => parameters.get(name) || undefined;
  const file = (name: string): string | undefined => readGiven(name, given(name));
  const version = (name: string): SecureVersion | undefined => versionOf(name, given(name));
  for (const [name, harmless] of Object.entries(CANNOT)) {
    const value = given(name);
    if (value !== undefined && !harmless.includes(value)) {
      throw new VaultError(
        "ERR_UNSUPPORTED",
        `${name} in the database's URL cannot be kept here: leave it out, and use sslmode=verify-full`,
      );
    }
  }
  const mode = modeOf(parameters, tls);
  const rest = new URLSearchParams(parameters);
  for (const name of [...TAKEN, ...Object.keys(CANNOT)]) rest.delete(name);
  const query = rest.toString().replaceAll("+", "%20");
  const stripped = `${mark < 0 ? url : url.slice(0, mark)}${query === "" ? "" : `?${query}`}`;
  if (mode === "disable") return { url: stripped, ssl: false, isOptional: false, isUnverified: true };
  const authorities = tls === undefined ? authoritiesOf(given("sslrootcert"), mode) : tls.ca;
  const isVerified = mode.startsWith("verify-") || (mode === "require" && authorities !== undefined);
  const ssl: ConnectionOptions = {
    rejectUnauthorized: isVerified,
    ...some("ca", authorities),
    ...some("cert", tls?.cert ?? file("sslcert")),
    ...some("key", tls?.key ?? file("sslkey")),
    ...some("passphrase", given("sslpassword")),
    ...some("crl", file("sslcrl")),
    minVersion: version("ssl_min_protocol_version") ?? VERSION_MIN_DEFAULT,
    ...some("maxVersion", version("ssl_max_protocol_version")),
  };
  // The certificate's CA is checked, its name is not.
  if (isVerified && mode !== "verify-full") ssl.checkServerIdentity = () => undefined;
  return {
    url: stripped,
    ssl,
    isOptional: mode === "allow" || mode === "prefer",
    isUnverified: !isVerified,
  };
}

type Mode = (typeof MODES)[number] | typeof MODE_UNVERIFIED;

function modeOf(parameters: URLSearchParams, tls: TlsTexts | undefined): Mode {
  const named = parameters.get("sslmode") || undefined;
  const said = named ?? modeOfSsl(parameters.get("ssl"));
  const mode = said ?? (process.env.PGSSLMODE || undefined);
  if (mode !== undefined && mode !== MODE_UNVERIFIED && !(MODES as readonly string[]).includes(mode)) {
    throw invalidRange(`sslmode must be one of ${MODES.join(", ")}`);
  }
  if (tls === undefined) {
    if (mode !== undefined) return mode as Mode;
    return parameters.get("sslrootcert") === CA_SYSTEM ? "verify-full" : "prefer";
  }
  if (said === "disable") throw invalidRange("tls was given, but the database's URL turns TLS off");
  return "verify-full";
}

/** JDBC's parameter, as libpq takes it. */
function modeOfSsl(ssl: string | null): Mode | undefined {
  if (ssl === null || ssl === "") return undefined;
  if (ssl === "true" || ssl === "1") return "require";
  if (ssl === "false" || ssl === "0") return "disable";
  throw invalidRange("ssl in the database's URL must be true or false: or use sslmode");
}

/** The CAs to trust; undefined for those of the runtime, or for none where the mode does not need one. */
function authoritiesOf(file: string | undefined, mode: Mode): string | string[] | undefined {
  if (mode === MODE_UNVERIFIED) return undefined;
  const path = file ?? (process.env.PGSSLROOTCERT || undefined);
  if (path === CA_SYSTEM) {
    if (mode !== "verify-full") throw invalidRange("sslrootcert=system needs sslmode=verify-full");
    // By name only from Node 22.15 on, so it is no import.
    const tls = process.getBuiltinModule("node:tls");
    if (tls.getCACertificates === undefined) {
      throw new VaultError(
        "ERR_UNSUPPORTED",
        "sslrootcert=system needs Node 22.15 or later: name the CA's file instead",
      );
    }
    return [...tls.getCACertificates("system")];
  }
  if (path !== undefined) return readGiven("sslrootcert", path);
  const usual = join(homedir(), ...CA_DEFAULT);
  return existsSync(usual) ? readGiven("sslrootcert", usual) : undefined;
}

function readGiven(parameter: string, path: string | undefined): string | undefined {
  if (path === undefined) return undefined;
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new VaultError(
      "ERR_STORAGE_UNAVAILABLE",
      `the file that ${parameter} names cannot be read (${code ?? "unknown"}): check its path and rights`,
      { cause: Object.assign(new Error(code), { code }) },
    );
  }
}

function versionOf(parameter: string, version: string | undefined): SecureVersion | undefined {
  if (version === undefined || VERSIONS.includes(version)) return version as SecureVersion | undefined;
  throw invalidRange(`${parameter} must be one of ${VERSIONS.join(", ")}`);
}

function some<Name extends string, T>(name: Name, value: T | undefined): { [_ in Name]?: T } {
  return value === undefined ? {} : ({ [name]: value } as { [_ in Name]: T });
}
