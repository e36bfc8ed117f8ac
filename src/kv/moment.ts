/**
 * Moments as text: the one way in which coffer reads a date.
 *
 * Owns which texts are dates. Parsers of dates guess: one takes `foo 1` for a year, another a time without a zone for that of
 * the machine it runs on, so that the same request gives different answers in two places. Must not know what moments are
 * for.
 *
 * @module
 */

/** RFC 3339 section 5.6, and the longer years of `Date.prototype.toISOString` (ECMA-262 section 21.4.1.32.1). */
const RFC_3339 =
  /^(\d{4}|[+-]\d{6})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d\d):(\d\d))$/;

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const TIME = "(\\d\\d):(\\d\\d):(\\d\\d)";

/** `Date.prototype.toString` (ECMA-262 section 21.4.4.41): `Tue Mar 01 2022 00:00:00 GMT+0100 (CET)`. */
const TO_STRING = new RegExp(
  `^(${DAYS.join("|")}) (${MONTHS.join("|")}) (\\d\\d) (\\d{4,6}) ${TIME} GMT([+-])(\\d\\d)(\\d\\d)(?: \\([^()]{1,60}\\))?$`,
);

/** `Date.prototype.toUTCString` (ECMA-262 section 21.4.4.43): `Tue, 01 Mar 2022 00:00:00 GMT`. */
const TO_UTC_STRING = new RegExp(
  `^(${DAYS.join("|")}), (\\d\\d) (${MONTHS.join("|")}) (\\d{4,6}) ${TIME} GMT$`,
);

const MS_PER_MINUTE = 60_000;
const MINUTES_PER_HOUR = 60;
/** A leap second (RFC 3339 section 5.7) is the first moment of the next minute here. */
const SECONDS_MAX = 60;

/**
 * Reads a moment: RFC 3339, or what `String(date)` and `date.toUTCString()` write.
 *
 * @returns milliseconds since 1970; undefined for every other text, a time without a zone and a day that does not exist among them
 */
export function parseMoment(text: string): number | undefined {
  const iso = RFC_3339.exec(text);
  if (iso !== null) {
    const [, year, month, day, hour, minute, second, fraction = "", sign, hours, minutes] = iso;
    if (year === "-000000") return undefined;
    const ms = Number(fraction.slice(0, 3).padEnd(3, "0"));
    const at = momentOf(Number(year), Number(month) - 1, day!, hour!, minute!, second!, ms);
    return withOffset(at, sign, hours, minutes);
  }
  const local = TO_STRING.exec(text);
  if (local !== null) {
    const [, weekday, month, day, year, hour, minute, second, sign, hours, minutes] = local;
    const at = momentOf(Number(year), MONTHS.indexOf(month!), day!, hour!, minute!, second!, 0);
    return isOn(at, weekday!) ? withOffset(at, sign, hours, minutes) : undefined;
  }
  const utc = TO_UTC_STRING.exec(text);
  if (utc === null) return undefined;
  const [, weekday, day, month, year, hour, minute, second] = utc;
  const at = momentOf(Number(year), MONTHS.indexOf(month!), day!, hour!, minute!, second!, 0);
  return isOn(at, weekday!) ? at : undefined;
}

function momentOf(
  year: number,
  month: number,
  day: string,
  hour: string,
  minute: string,
  second: string,
  ms: number,
): number | undefined {
  const isTime = Number(hour) < 24 && Number(minute) < 60 && Number(second) <= SECONDS_MAX;
  // Not Date.UTC: that takes the years from 0 to 99 for those of the 20th century.
  const date = new Date(0);
  date.setUTCFullYear(year, month, Number(day));
  // The 30th of February became a day of March.
  if (!isTime || month < 0 || date.getUTCMonth() !== month || date.getUTCDate() !== Number(day))
    return undefined;
  return date.setUTCHours(Number(hour), Number(minute), Number(second), ms);
}

/** By the clock on the wall, before the zone is taken off. */
function isOn(at: number | undefined, weekday: string): boolean {
  return at !== undefined && DAYS[new Date(at).getUTCDay()] === weekday;
}

function withOffset(
  at: number | undefined,
  sign: string | undefined,
  hours: string | undefined,
  minutes: string | undefined,
): number | undefined {
  if (at === undefined || sign === undefined) return at;
  if (Number(hours) > 23 || Number(minutes) > 59) return undefined;
  const offset = (Number(hours) * MINUTES_PER_HOUR + Number(minutes)) * MS_PER_MINUTE;
  return sign === "-" ? at + offset : at - offset;
}
