/**
 * Senders: one request over the wire and its whole answer, by whatever the runtime has for that.
 *
 * Owns the port, and the sender that every runtime has: `fetch`. Must not know retries, keys, or what an answer means.
 *
 * @module
 */
import { type Bytes, concatBytes } from "../base/bytes.ts";
import { badResponse } from "../wire/bodies.ts";
import { ANSWER_BYTES_MAX } from "./limits.ts";

/** A request, ready to be sent. */
export interface SentRequest {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | undefined;
  /** Ends the attempt, the reading of its answer too. */
  readonly signal: AbortSignal;
}

/** What of an answer's headers is asked. */
export type AnswerHeaders = Pick<Headers, "get">;

/** An answer as it came. */
export interface SentAnswer {
  /** 0 for a redirect on a runtime that does not tell more. */
  readonly status: number;
  readonly headers: AnswerHeaders;
  /** Empty for a redirect, which is not read. */
  readonly body: Bytes;
}

/**
 * Sends a request once, and follows no redirect: where it leads must not get the API key.
 *
 * @throws the signal's reason; VaultError ERR_SERVICE_BAD_RESPONSE for an answer of more than 16 MiB; else an error whose `code`,
 *   or that of one of its causes, tells what has happened
 */
export type Sender = (url: URL, request: SentRequest) => Promise<SentAnswer>;

/** Whether a status is a redirect, or what browsers show of one. */
export const isRedirect = (status: number): boolean => status === 0 || (status >= 300 && status < 400);

/** Sends by a function that is `fetch`, or looks like it. */
export const fetchSender =
  (fetch: typeof globalThis.fetch): Sender =>
  async (url, { method, headers, body = null, signal }) => {
    // workerd knows no mode of redirects that fails by itself.
    const init = { method, headers, body, signal, redirect: "manual", cache: "no-store" } as const;
    const response = await fetch(url, init);
    const answer = { status: response.status, headers: response.headers };
    const reader = response.body?.getReader();
    const parts: Uint8Array[] = [];
    let bytesLeft = ANSWER_BYTES_MAX;
    // Then there is nothing left to read.
    if (isRedirect(answer.status)) await reader?.cancel();
    for (let part = await reader?.read(); part?.value !== undefined; part = await reader?.read()) {
      bytesLeft -= part.value.length;
      if (bytesLeft < 0) {
        await reader?.cancel();
        throw badResponse(`it has more than ${ANSWER_BYTES_MAX} bytes`);
      }
      parts.push(part.value);
    }
    return { ...answer, body: concatBytes(...parts) };
  };
