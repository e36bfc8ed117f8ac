/** What processes that serve one port have in common (docs/spec/key-service-api.md, API-13): the rate limit and the metrics. */
import { afterEach, describe, expect, test, vi } from "vitest";
import { RATE_AHEAD_MS } from "../../src/server/limits.ts";
import { GroupHead, type MemberLink } from "../../src/server/processes/head.ts";
import { joinGroup, type Member } from "../../src/server/processes/member.ts";
import type { FromMember, ToMember } from "../../src/server/processes/messages.ts";

afterEach(() => void vi.useRealTimers());

/** A head with members whose messages arrive a turn later, as between processes. */
function group(perMinute: number | undefined, count: number) {
  let now = 0;
  const head = new GroupHead(perMinute);
  const sent: FromMember[] = [];
  const members: { readonly member: Member; readonly link: MemberLink; isDeaf: boolean }[] = [];
  for (let i = 0; i < count; i++) {
    let listener: (message: ToMember) => void = () => {};
    const link: MemberLink = {
      send: (message) => void Promise.resolve().then(() => members[i]!.isDeaf || listener(message)),
    };
    const member = joinGroup(
      {
        send: (message) => {
          sent.push(message);
          void Promise.resolve().then(() => head.heard(link, structuredClone(message)));
        },
        listen: (own) => {
          listener = own;
        },
      },
      perMinute,
      () => now,
    );
    members.push({ member, link, isDeaf: false });
    head.joined(link);
  }
  return {
    head,
    members,
    sent,
    advance: (ms: number) => {
      now += ms;
    },
  };
}

const outcome = async (taken: void | Promise<void>): Promise<string> =>
  Promise.resolve(taken).then(
    () => "taken",
    (error) => `${error.status} ${error.headers["retry-after"]}`,
  );

describe("the rate limit of a group", () => {
  test.each([1, 7, 100, 1_000, 60_000])("%i a minute are never more, whoever asks", async (perMinute) => {
    const { members } = group(perMinute, 4);
    const asked = Array.from({ length: perMinute + 500 }, (_, i) =>
      outcome(members[i % members.length]!.member.take("key_1")),
    );
    const outcomes = await Promise.all(asked);
    const taken = outcomes.filter((one) => one === "taken").length;
    // The head's clock moves on by the real time of this test: at most one more a millisecond at the highest rate.
    expect(taken).toBeLessThanOrEqual(perMinute * 1.05 + 1);
    // What was taken ahead and not used may be missing: a hundredth for each process.
    expect(taken).toBeGreaterThanOrEqual(Math.floor(perMinute * 0.95));
    expect(outcomes.filter((one) => one !== "taken").every((one) => /^429 \d+$/.test(one))).toBe(true);
  });

  test("one process alone may have all of it", async () => {
    const { members } = group(200, 4);
    const outcomes: string[] = [];
    for (let i = 0; i < 205; i++) outcomes.push(await outcome(members[0]!.member.take("key_1")));
    expect(outcomes.slice(0, 200)).toEqual(Array(200).fill("taken"));
    expect(outcomes.at(-1)).toMatch(/^429 \d+$/);
    // Another key has its own.
    expect(await outcome(members[1]!.member.take("key_2"))).toBe("taken");
  });

  test("what is taken ahead saves questions, and lapses after a second", async () => {
    const { members, sent, advance } = group(10_000, 2);
    const { member } = members[0]!;
    await member.take("key_1");
    for (let i = 0; i < 100; i++) expect(member.take("key_1")).toBeUndefined();
    expect(sent).toEqual([{ coffer: "take", apiKeyId: "key_1", count: 101 }]);
    await member.take("key_1");
    advance(RATE_AHEAD_MS);
    expect(member.take("key_1")).toBeInstanceOf(Promise);
    expect(sent).toHaveLength(3);
  });

  test("without a limit nothing is asked", () => {
    const { members, sent } = group(undefined, 2);
    expect(members[0]!.member.take("key_1")).toBeUndefined();
    expect(sent).toEqual([]);
  });
});

describe("the metrics of a group", () => {
  const serve = (member: Member, times: number): void => {
    for (let i = 0; i < times; i++) member.metrics.end(member.metrics.begin(), "GET", "/healthz", 200);
  };
  const counted = (text: string): number =>
    Number(/^coffer_http_request_duration_seconds_count\{.*\} (\d+)$/m.exec(text)?.[1]);

  test("are those of all members, also of those that are gone", async () => {
    const { head, members } = group(undefined, 3);
    const [one, two, three] = members as [(typeof members)[0], (typeof members)[0], (typeof members)[0]];
    for (const [i, { member }] of members.entries()) serve(member, i + 1);
    const begun = two.member.metrics.begin();
    const text = await one.member.renderMetrics();
    expect(counted(text)).toBe(6);
    expect(text).toContain("coffer_http_requests_in_flight 1\n");
    expect(text.match(/_bucket\{.*le="\+Inf"\} (\d+)/)?.[1]).toBe("6");
    head.left(two.link);
    serve(three.member, 10);
    const later = await three.member.renderMetrics();
    expect(counted(later)).toBe(16);
    expect(later).toContain("coffer_http_requests_in_flight 0\n");
    two.member.metrics.end(begun, "GET", "/healthz", 200);
  });

  test("of one that does not answer in time are those it had last", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const { members } = group(undefined, 2);
    serve(members[1]!.member, 5);
    expect(counted(await members[0]!.member.renderMetrics())).toBe(5);
    serve(members[1]!.member, 5);
    members[1]!.isDeaf = true;
    const asked = members[0]!.member.renderMetrics();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(counted(await asked)).toBe(5);
  });

  test("who asks twice at once is answered twice", async () => {
    const { members, sent } = group(undefined, 1);
    const texts = await Promise.all([members[0]!.member.renderMetrics(), members[0]!.member.renderMetrics()]);
    expect(texts[0]).toBe(texts[1]);
    expect(sent.filter(({ coffer }) => coffer === "collect")).toHaveLength(1);
    await members[0]!.member.renderMetrics();
    expect(sent.filter(({ coffer }) => coffer === "collect")).toHaveLength(2);
  });
});

test("a member hears that it is to end", async () => {
  const { members } = group(undefined, 1);
  members[0]!.link.send({ coffer: "stop" });
  await members[0]!.member.stopped;
});
