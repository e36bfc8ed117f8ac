/** What the errors of clients mean, as each runtime gives them: seen against servers without TLS, with TLS 1.1, and with certificates that are not right. */
import { expect, test } from "vitest";
import { type FailureMeaning, failureMeaning } from "../../src/http/failure-meaning.ts";

const fetchFailed = (cause: object): Error => new TypeError("fetch failed", { cause });
const coded = (code: string, message = ""): Error => Object.assign(new Error(message), { code });
const denoSays = (what: string): string =>
  `error sending request for url (https://127.0.0.1:8200/): client error (Connect): ${what}`;

const CASES: [runtime: string, error: unknown, meaning: FailureMeaning][] = [
  ["undici", fetchFailed(coded("UNABLE_TO_VERIFY_LEAF_SIGNATURE")), "not trusted"],
  ["undici", fetchFailed(coded("DEPTH_ZERO_SELF_SIGNED_CERT")), "not trusted"],
  ["undici", fetchFailed(coded("SELF_SIGNED_CERT_IN_CHAIN")), "not trusted"],
  ["undici", fetchFailed(coded("UNABLE_TO_GET_ISSUER_CERT_LOCALLY")), "not trusted"],
  ["undici", fetchFailed(coded("ERR_TLS_CERT_ALTNAME_INVALID")), "not trusted"],
  ["undici", fetchFailed(coded("CERT_HAS_EXPIRED")), "not trusted"],
  ["undici", fetchFailed(coded("INVALID_CA")), "not trusted"],
  ["undici", fetchFailed(coded("HOSTNAME_MISMATCH")), "not trusted"],
  ["undici", fetchFailed(coded("ERR_SSL_WRONG_VERSION_NUMBER")), "not sent"],
  ["undici", fetchFailed(coded("ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION")), "not sent"],
  ["undici", fetchFailed(coded("ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE")), "not sent"],
  ["undici", fetchFailed(coded("ECONNREFUSED")), "not sent"],
  ["undici", fetchFailed(coded("UND_ERR_CONNECT_TIMEOUT")), "not sent"],
  ["undici", fetchFailed(coded("UND_ERR_SOCKET")), undefined],
  ["undici", fetchFailed(coded("ECONNRESET")), undefined],
  // May come in the middle of a connection.
  ["undici", fetchFailed(coded("ERR_SSL_DECRYPTION_FAILED_OR_BAD_RECORD_MAC")), undefined],
  ["undici", fetchFailed(coded("EPROTO")), undefined],
  ["coffer's own sender", coded("ERR_NOT_CONNECTED"), "not sent"],
  [
    "coffer's own sender",
    Object.assign(new Error("no connection", { cause: coded("CERT_HAS_EXPIRED") }), {
      code: "ERR_NOT_CONNECTED",
    }),
    "not trusted",
  ],
  ["Bun", coded("UNABLE_TO_VERIFY_LEAF_SIGNATURE", "unable to verify the first certificate"), "not trusted"],
  [
    "Bun",
    coded("EPROTO", "EPROTO: The TLS handshake failed. Does the server speak TLS on this port?"),
    "not sent",
  ],
  [
    "Bun 1.2",
    coded("ConnectionRefused", "Unable to connect. Is the computer able to access the url?"),
    "not sent",
  ],
  ["Deno 2.2", new TypeError(denoSays("invalid peer certificate: UnknownIssuer")), "not trusted"],
  ["Deno 2.2", new TypeError(denoSays("invalid peer certificate: NotValidForName")), "not trusted"],
  ["Deno 2.2", new TypeError(denoSays("received corrupt message of type InvalidContentType")), "not sent"],
  ["Deno 2.2", new TypeError(denoSays("tcp connect error: Connection refused (os error 111)")), "not sent"],
  [
    "Deno 2.9",
    fetchFailed(new Error(denoSays("invalid peer certificate: certificate expired"))),
    "not trusted",
  ],
  ["Deno 2.9", fetchFailed(new Error(denoSays("received fatal alert: ProtocolVersion"))), "not sent"],
  [
    "Deno 2.9",
    fetchFailed(new Error("error sending request: client error (SendRequest): connection closed")),
    undefined,
  ],
  ["none", undefined, undefined],
  ["none", "text", undefined],
];

test.each(CASES)("%s: %s", (_, error, meaning) => {
  expect(failureMeaning(error)).toBe(meaning);
});

test("an error that is its own cause comes to an end", () => {
  const error: Error = new Error("round");
  error.cause = error;
  expect(failureMeaning(error)).toBeUndefined();
});
