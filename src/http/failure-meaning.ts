/**
 * What the errors of clients mean, on the runtimes whose errors tell.
 *
 * Owns the codes and words of Node, undici, Bun and Deno. Must not know what follows from them.
 *
 * @module
 */

/** Codes of Node, undici, Bun and our own sender by which nothing of a request was sent. */
const NOT_SENT =
  /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|EADDRNOTAVAIL|UND_ERR_CONNECT_TIMEOUT|ERR_NOT_CONNECTED|ConnectionRefused|FailedToOpenSocket|ERR_TLS_.*|ERR_SSL_WRONG_VERSION_NUMBER|ERR_SSL_UNSUPPORTED_PROTOCOL|ERR_SSL_.*_ALERT_(PROTOCOL_VERSION|HANDSHAKE_FAILURE))$/;
/** The same in the words of Deno and Bun, which give no code of their own for it. */
const NOT_SENT_WORDS = /client error \(Connect\)|TLS handshake failed/;
/** Codes by which a certificate is refused: OpenSSL's (x509_vfy.h), which Node, undici and Bun give on, and Node's for names. */
const NOT_TRUSTED =
  /^(CERT_.*|.*_CERT(IFICATE)?(_.*)?|UNABLE_TO_(GET|DECODE|DECRYPT|VERIFY)_.*|CRL_.*|INVALID_(CA|PURPOSE)|PATH_LENGTH_EXCEEDED|HOSTNAME_MISMATCH|ERR_TLS_CERT_ALTNAME_.*)$/;
/** The same in the words of Deno. */
const NOT_TRUSTED_WORDS = /invalid peer certificate/;

/**
 * What a failure tells: that nothing was sent, or that nothing was sent because the service's certificate is not trusted. Undefined
 * where it tells neither.
 */
export type FailureMeaning = "not sent" | "not trusted" | undefined;

/** What of an error tells why it came. */
type Link = { readonly code?: unknown; readonly message?: unknown; readonly cause?: unknown };

/** @param error - of a sender */
export function failureMeaning(error: unknown): FailureMeaning {
  const links = chainOf(error);
  if (links.some((link) => says(link, NOT_TRUSTED, NOT_TRUSTED_WORDS))) return "not trusted";
  return links.some((link) => says(link, NOT_SENT, NOT_SENT_WORDS)) ? "not sent" : undefined;
}

/** An error and its causes. */
function chainOf(error: unknown): Link[] {
  const links: Link[] = [];
  // A cause may name an error that is already there.
  for (
    let link = error as Link | undefined;
    link != null && !links.includes(link);
    link = link.cause as Link
  ) {
    links.push(link);
  }
  return links;
}

function says({ code, message }: Link, codes: RegExp, words: RegExp): boolean {
  return (
    (typeof code === "string" && codes.test(code)) || (typeof message === "string" && words.test(message))
  );
}
