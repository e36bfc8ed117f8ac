/**
 * Dates as text: pieces of their forms, and the step from fields to a moment.
 *
 * Owns what all forms have in common. Parsers of dates guess: one takes `foo 1` for a year, another a time without a zone for
 * that of the machine it runs on, so that the same text means different things in two places. Must not know which forms are
 * taken, nor what for.
 *
 * @module
 */

/** Days as HTTP and JavaScript name them, Sunday first. */
export const WEEKDAYS: readonly string[] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** A form's name of a day. In these pieces each field is a named group. */
export const WEEKDAY: string = /* @__PURE__ */ (() => `(?<weekday>${WEEKDAYS.join("|")})`)();
/** A form's name of a month. */
export const MONTH: string = /* @__PURE__ */ (() => `(?<month>${MONTHS.join("|")})`)();
/** A form's time. A leap second (RFC 3339 section 5.7) is the first moment of the next minute here. */
export const TIME = "(?<hour>[01]\\d|2[0-3]):(?<minute>[0-5]\\d):(?<second>[0-5]\\d|60)";

/** What the groups of a form have found. The month is a name or a number from 1. */
export type DateFields = Readonly<
  Partial<Record<"year" | "month" | "day" | "hour" | "minute" | "second", string>>
>;

/** Milliseconds since 1970 in UTC; undefined for a day that does not exist. */
export function momentOf(fields: DateFields, ms = 0): number | undefined {
  const { year, month = "", hour, minute, second } = fields;
  const named = MONTHS.indexOf(month);
  const monthAt = named < 0 ? Number(month) - 1 : named;
  const day = Number(fields.day);
  // Not Date.UTC: that takes the years from 0 to 99 for those of the 20th century.
  const date = new Date(0);
  date.setUTCFullYear(Number(year), monthAt, day);
  // The 30th of February became a day of March.
  if (date.getUTCMonth() !== monthAt || date.getUTCDate() !== day) return undefined;
  return date.setUTCHours(Number(hour), Number(minute), Number(second), ms);
}
