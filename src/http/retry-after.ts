/**
 * `Retry-After`: how long a service wants us to wait.
 *
 * Owns the reading of RFC 9110 section 10.2.3: seconds, or one of the three forms of an HTTP date (section 5.6.7), and
 * nothing else. Must not know what is waited for.
 *
 * @module
 */
import { MONTH, momentOf, TIME, WEEKDAY } from "../base/dates.ts";
import { RETRY_AFTER_MS_MAX } from "./limits.ts";

const DELTA_SECONDS = /^\d{1,20}$/;
const LONG_DAY_NAME = "(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day";

/** `Sun, 06 Nov 1994 08:49:37 GMT`, `Sunday, 06-Nov-94 08:49:37 GMT`, `Sun Nov  6 08:49:37 1994`. */
const HTTP_DATES = [
  new RegExp(`^${WEEKDAY}, (?<day>\\d\\d) ${MONTH} (?<year>\\d{4}) ${TIME} GMT$`),
  new RegExp(`^${LONG_DAY_NAME}, (?<day>\\d\\d)-${MONTH}-(?<shortYear>\\d\\d) ${TIME} GMT$`),
  new RegExp(`^${WEEKDAY} ${MONTH} (?<day>[ \\d]\\d) ${TIME} (?<year>\\d{4})$`),
];

/** Years by which a date of two digits may lie ahead; further ahead it means the past (RFC 9110 section 5.6.7). */
const SHORT_YEARS_AHEAD = 50;

/**
 * Milliseconds to wait, from 0 to the longest that we wait.
 *
 * @param value - the header as it came
 * @param now - milliseconds since 1970
 * @returns undefined for an absent header and for one that says neither seconds nor a date
 */
export function retryAfterMs(value: string | null, now: number = Date.now()): number | undefined {
  const text = value?.replace(/^[ \t]+|[ \t]+$/g, "");
  if (text === undefined) return undefined;
  const ms = DELTA_SECONDS.test(text) ? Number(text) * 1000 : httpDateMs(text, now) - now;
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, 0), RETRY_AFTER_MS_MAX);
}

/** NaN for what is no date. */
function httpDateMs(text: string, now: number): number {
  for (const form of HTTP_DATES) {
    const parts = form.exec(text)?.groups;
    if (parts === undefined) continue;
    const year = parts.year ?? String(fullYear(Number(parts.shortYear), now));
    return momentOf({ ...parts, year }) ?? Number.NaN;
  }
  return Number.NaN;
}

function fullYear(shortYear: number, now: number): number {
  const thisYear = new Date(now).getUTCFullYear();
  const year = thisYear - (thisYear % 100) + shortYear;
  return year > thisYear + SHORT_YEARS_AHEAD ? year - 100 : year;
}
