/** Signatures of webhooks, as receivers check them (docs/spec/events.md section 3). */
import { createHmac } from "node:crypto";
import { expect, test } from "vitest";
import { signWebhook, TOLERANCE_MS_DEFAULT, verifyWebhook } from "../../src/wire/webhook.ts";
import { utf8Bytes } from "../support/bytes.ts";
import { errorOf } from "../support/errors.ts";
import { expectNoTrace } from "../support/secrets.ts";

const SECRET = "whsec_0123456789abcdefghijklmnopqrstuvwxyz";
const TIME = Date.UTC(2026, 0, 1);
const EVENT = {
  object: "event",
  id: "event_1",
  event: "vault.data.created",
  data: { kv_name: "é", actor_id: "key_1" },
  created_at: "2026-01-01T00:00:00.000Z",
};
const BODY = JSON.stringify(EVENT);
const now = () => TIME;
const sign = (body = BODY, secret = SECRET, time = TIME) => signWebhook(utf8Bytes(body), secret, time);
const codeOf = (body: string | Uint8Array, header: string | null | undefined, secret = SECRET, at = now) =>
  errorOf(() => verifyWebhook(body, header, secret, { now: at })).code;

test("[EVT-10] the header is WorkOS's: milliseconds, comma and space, HMAC-SHA-256 in hex", () => {
  const mac = createHmac("sha256", SECRET).update(`${TIME}.${BODY}`).digest("hex");
  expect(sign()).toBe(`t=${TIME}, v1=${mac}`);
});

test("[EVT-11] a good signature gives the event, from text and from bytes, with and without the space", () => {
  const { object: _, ...event } = EVENT;
  expect(verifyWebhook(BODY, sign(), SECRET, { now })).toEqual(event);
  expect(verifyWebhook(utf8Bytes(BODY), sign(), SECRET, { now })).toEqual(event);
  expect(verifyWebhook(BODY, sign().replace(", ", ","), SECRET, { now })).toEqual(event);
  expect(verifyWebhook(BODY, sign(BODY, SECRET, Date.now()), SECRET)).toEqual(event);
});

test("[EVT-11] within 180 s of the receiver's clock, in either direction", () => {
  for (const shift of [-1, 1]) {
    const at = (ms: number) => () => TIME + shift * ms;
    expect(() => verifyWebhook(BODY, sign(), SECRET, { now: at(TOLERANCE_MS_DEFAULT) })).not.toThrow();
    expect(codeOf(BODY, sign(), SECRET, at(TOLERANCE_MS_DEFAULT + 1))).toBe("ERR_WEBHOOK_INVALID");
    expect(() =>
      verifyWebhook(BODY, sign(), SECRET, { now: at(300_000), toleranceMs: 300_000 }),
    ).not.toThrow();
    const strict = errorOf(() => verifyWebhook(BODY, sign(), SECRET, { now: at(1), toleranceMs: 0 }));
    expect(strict.code).toBe("ERR_WEBHOOK_INVALID");
  }
  expect(TOLERANCE_MS_DEFAULT).toBe(180_000);
});

test("[EVT-11] absent, malformed, wrong and altered: the same error, without a trace of either", () => {
  const good = sign();
  const seconds = good.replace(String(TIME), String(TIME / 1000));
  const messages = new Set<string>();
  for (const [body, header, secret] of [
    [BODY, null],
    [BODY, undefined],
    [BODY, ""],
    [BODY, "x"],
    [BODY, good.toUpperCase()],
    [BODY, `${good}, v1=${"0".repeat(64)}`],
    [BODY, `v1=${good.slice(-64)}, t=${TIME}`],
    [BODY, good.slice(0, -1)],
    [BODY, `${good} `],
    [BODY, good.replace(/.$/, (digit) => (digit === "0" ? "1" : "0"))],
    [BODY, good.replace("v1=", "v2=")],
    [BODY, good.replace("t=1", "t= 1")],
    [BODY, good.replace(`t=${TIME}`, `t=${TIME + 1}`)],
    [BODY, good.replace(`t=${TIME}`, "t=NaN")],
    [BODY, good.replace(`t=${TIME}`, `t=-${TIME}`)],
    [BODY, seconds],
    [BODY, `${"t=1, ".repeat(10_000)}${good}`],
    [`${BODY} `, good],
    [BODY.replace("event_1", "event_2"), good],
    [BODY, good, `${SECRET}x`],
    // Signed, but no event.
    ["not JSON", sign("not JSON")],
    ["[]", sign("[]")],
    ["{}", sign("{}")],
    ['{"id":1}', sign('{"id":1}')],
  ] as const) {
    const error = errorOf(() => verifyWebhook(body, header, secret ?? SECRET, { now }));
    expect([header, error.code]).toEqual([header, "ERR_WEBHOOK_INVALID"]);
    expectNoTrace(error, [utf8Bytes(SECRET), utf8Bytes(good.slice(-64))]);
    messages.add(error.message);
  }
  expect(messages.size).toBe(1);
});

test("wrong arguments are the program's mistake", () => {
  for (const secret of ["", null, 7]) {
    expect(codeOf(BODY, sign(), secret as string)).toBe("ERR_INVALID_ARGUMENT");
  }
  for (const toleranceMs of [-1, Number.NaN, Number.POSITIVE_INFINITY]) {
    const error = errorOf(() => verifyWebhook(BODY, sign(), SECRET, { now, toleranceMs }));
    expect(error.code).toBe("ERR_INVALID_ARGUMENT");
  }
  expect(codeOf(7 as never, sign())).toBe("ERR_INVALID_ARGUMENT");
});
