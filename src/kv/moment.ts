/**
 * Moments in requests: the forms in which `updatedAfter` may come.
 *
 * Owns which texts are moments. Must not know what they are for.
 *
 * @module
 */
import { MONTH, momentOf, TIME, WEEKDAY, WEEKDAYS } from "../base/dates.ts";

const OFFSET_HOURS = "(?<sign>[+-])(?<hours>[01]\\d|2[0-3])";
const OFFSET_MINUTES = "(?<minutes>[0-5]\\d)";

const FORMS = [
  // RFC 3339 section 5.6, and the longer years of `Date.prototype.toISOString` (ECMA-262 section 21.4.1.32.1).
  new RegExp(
    `^(?!-000000)(?<year>\\d{4}|[+-]\\d{6})-(?<month>\\d\\d)-(?<day>\\d\\d)[Tt ]${TIME}(?:\\.(?<fraction>\\d{1,9}))?` +
      `(?:[Zz]|${OFFSET_HOURS}:${OFFSET_MINUTES})$`,
  ),
  // `Date.prototype.toString` (ECMA-262 section 21.4.4.41): `Tue Mar 01 2022 00:00:00 GMT+0100 (CET)`.
  new RegExp(
    `^${WEEKDAY} ${MONTH} (?<day>\\d\\d) (?<year>\\d{4,6}) ${TIME} GMT${OFFSET_HOURS}${OFFSET_MINUTES}(?: \\([^()]{1,60}\\))?$`,
  ),
  // `Date.prototype.toUTCString` (ECMA-262 section 21.4.4.43): `Tue, 01 Mar 2022 00:00:00 GMT`.
  new RegExp(`^${WEEKDAY}, (?<day>\\d\\d) ${MONTH} (?<year>\\d{4,6}) ${TIME} GMT$`),
];

const MS_PER_MINUTE = 60_000;
const MINUTES_PER_HOUR = 60;

/**
 * Reads a moment: RFC 3339, or what `String(date)` and `date.toUTCString()` write.
 *
 * @returns milliseconds since 1970; undefined for every other text, a time without a zone and a day that does not exist among them
 */
export function parseMoment(text: string): number | undefined {
  for (const form of FORMS) {
    const fields = form.exec(text)?.groups;
    if (fields === undefined) continue;
    const { fraction = "", weekday, sign, hours, minutes } = fields;
    const at = momentOf(fields, Number(fraction.slice(0, 3).padEnd(3, "0")));
    if (at === undefined) return undefined;
    // By the clock on the wall, before the zone is taken off.
    if (weekday !== undefined && WEEKDAYS[new Date(at).getUTCDay()] !== weekday) return undefined;
    if (sign === undefined) return at;
    const offset = (Number(hours) * MINUTES_PER_HOUR + Number(minutes)) * MS_PER_MINUTE;
    return sign === "-" ? at + offset : at - offset;
  }
  return undefined;
}
