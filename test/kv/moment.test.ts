/** Moments: RFC 3339, JavaScript's own two forms, and nothing else; the same on every machine. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseMoment } from "../../src/kv/moment.ts";
import { checkListRequest } from "../../src/kv/rules.ts";
import { errorOf } from "../support/errors.ts";

describe("[API-8] what is a moment", () => {
  test.each([
    ["2026-01-31T12:00:00Z", "2026-01-31T12:00:00.000Z"],
    ["2026-01-31t12:00:00z", "2026-01-31T12:00:00.000Z"],
    ["2026-01-31 12:00:00Z", "2026-01-31T12:00:00.000Z"],
    ["2026-01-31T12:00:00.5+02:00", "2026-01-31T10:00:00.500Z"],
    ["2026-01-31T12:00:00.123456789-05:30", "2026-01-31T17:30:00.123Z"],
    ["2024-02-29T23:59:60Z", "2024-03-01T00:00:00.000Z"],
    ["0000-01-01T00:00:00Z", "0000-01-01T00:00:00.000Z"],
    ["+010000-01-01T00:00:00.000Z", "+010000-01-01T00:00:00.000Z"],
    ["Tue Mar 01 2022 00:00:00 GMT+0100 (Central European Standard Time)", "2022-02-28T23:00:00.000Z"],
    ["Tue Mar 01 2022 00:00:00 GMT-0930", "2022-03-01T09:30:00.000Z"],
    ["Tue, 01 Mar 2022 00:00:00 GMT", "2022-03-01T00:00:00.000Z"],
  ])("%s", (text, iso) => {
    expect(new Date(parseMoment(text)!).toISOString()).toBe(iso);
  });

  test.each([
    "",
    "0",
    "2026",
    "foo 1",
    "11/12/2026",
    "2026-01-31",
    "2026-01-31T12:00:00",
    "2026-01-31T12:00Z",
    "2026-02-30T12:00:00Z",
    "2025-02-29T12:00:00Z",
    "2026-13-01T12:00:00Z",
    "2026-00-01T12:00:00Z",
    "2026-01-00T12:00:00Z",
    "2026-01-31T24:00:00Z",
    "2026-01-31T12:60:00Z",
    "2026-01-31T12:00:61Z",
    "2026-01-31T12:00:00+24:00",
    "2026-01-31T12:00:00+01:60",
    "2026-01-31T12:00:00+0100",
    "2026-01-31T12:00:00.Z",
    "-000000-01-01T00:00:00Z",
    " 2026-01-31T12:00:00Z",
    "2026-01-31T12:00:00Z ",
    "٢٠٢٦-01-31T12:00:00Z",
    "Wed Mar 01 2022 00:00:00 GMT+0100",
    "Tue Mar 1 2022 00:00:00 GMT+0100",
    "Wed, 01 Mar 2022 00:00:00 GMT",
    "Tue, 01 Mar 2022 00:00:00 UTC",
    "Tue, 31 Feb 2022 00:00:00 GMT",
    "Tue Mar 01 2022",
  ])("%j is none", (text) => {
    expect(parseMoment(text)).toBeUndefined();
    const error = errorOf(() => checkListRequest({ updatedAfter: text }));
    expect(error).toMatchObject({ code: "ERR_INVALID_ARGUMENT" });
  });

  test("whatever a date writes is read back, to the second or the millisecond", () => {
    const dates = fc.date({
      min: new Date("1000-01-01T00:00:00Z"),
      max: new Date("9999-12-30T00:00:00Z"),
      noInvalidDate: true,
    });
    fc.assert(
      fc.property(dates, (date) => {
        const seconds = Math.floor(date.getTime() / 1000) * 1000;
        expect(parseMoment(date.toISOString())).toBe(date.getTime());
        expect(parseMoment(date.toUTCString())).toBe(seconds);
        // Offsets of long ago have seconds, which the text leaves out.
        if (date.getTime() > 0) expect(parseMoment(String(date))).toBe(seconds);
      }),
    );
  });

  test("an invalid date is refused", () => {
    expect(errorOf(() => checkListRequest({ updatedAfter: new Date("x") })).code).toBe(
      "ERR_INVALID_ARGUMENT",
    );
  });
});
