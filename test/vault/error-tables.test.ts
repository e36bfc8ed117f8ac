/** Which of a database's failures may go away by themselves: what `retryable` says of each code. */
import { expect, test } from "vitest";
import { translate } from "../../src/vault/storage/postgres/errors.ts";

/** SQLSTATEs of PostgreSQL's manual (appendix A), and codes of the system, as the driver gives them. */
const AGAIN = {
  states: [
    "08006",
    "25P03",
    "25P04",
    "40001",
    "40P01",
    "53000",
    "53200",
    "53300",
    "55P03",
    "57014",
    "57P01",
    "57P03",
  ],
  codes: [
    "ECONNREFUSED",
    "ECONNRESET",
    "EPIPE",
    "ETIMEDOUT",
    "EHOSTUNREACH",
    "ENETUNREACH",
    "EHOSTDOWN",
    "EAI_AGAIN",
    "EMFILE",
    "ENFILE",
    "EADDRNOTAVAIL",
  ],
};
const NOT_AGAIN = {
  states: [
    "08P01",
    "0A000",
    "25006",
    "28000",
    "28P01",
    "3D000",
    "3F000",
    "42501",
    "42703",
    "42P01",
    "53100",
    "54000",
    "57P04",
    "58030",
    "99999",
    "XX001",
    "XX002",
  ],
  codes: [
    "ENOTFOUND",
    "ENOENT",
    "EACCES",
    "EPERM",
    "CERT_HAS_EXPIRED",
    "CERT_REVOKED",
    "ERR_TLS_CERT_ALTNAME_INVALID",
  ],
};

const ofState = (code: string) => Object.assign(new Error("secret"), { code, severity: "ERROR" });
const ofSystem = (code: string) => Object.assign(new Error("secret"), { code });

test.each([
  ["go away by themselves", AGAIN, true],
  ["stay until a person acts", NOT_AGAIN, false],
] as const)("failures that %s", (_, { states, codes }, retryable) => {
  for (const error of [...states.map(ofState), ...codes.map(ofSystem)]) {
    const ours = translate(error) as { name: string; retryable: boolean; message: string };
    expect([error.code, ours.name, ours.retryable]).toEqual([error.code, "VaultError", retryable]);
    expect(ours.message).not.toContain("secret");
  }
});
