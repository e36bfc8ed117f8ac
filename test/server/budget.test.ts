/** The account of what clients make a server hold (docs/spec/key-service-api.md, API-51). */
import fc from "fast-check";
import { expect, test } from "vitest";
import { Budget, type Holding } from "../../src/server/node/budget.ts";

test("[API-51] who has waited longest is let go first, and only as many as need be", () => {
  const budget = new Budget(100);
  const gone: string[] = [];
  const open = (name: string, bytes: number): Holding => {
    const holding = budget.open(() => gone.push(name));
    expect(holding.grow(bytes)).toBe(true);
    return holding;
  };
  open("a", 40);
  const settled = open("b", 30);
  settled.settle();
  open("c", 30);
  open("d", 20);
  expect(gone).toEqual(["a"]);
  expect(budget.bytes).toBe(80);
  expect(budget.take(70)).toBe(true);
  expect(gone).toEqual(["a", "c", "d"]);
  // What is being answered cannot be let go: what is new is refused.
  expect(budget.take(1)).toBe(false);
  expect(budget.open(() => gone.push("e")).grow(1)).toBe(false);
  expect(gone).toEqual(["a", "c", "d", "e"]);
  settled.release();
  settled.release();
  expect(budget.bytes).toBe(70);
  budget.giveBack(70);
  expect(budget.bytes).toBe(0);
});

test("[API-51] whatever is held, the bound is kept and the account is right", () => {
  const step = fc.record({
    what: fc.constantFrom("open", "grow", "settle", "release", "take", "give"),
    at: fc.nat(9),
    bytes: fc.nat(60),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const budget = new Budget(100);
      const held = new Map<Holding, number>();
      const taken: number[] = [];
      const pick = (at: number): Holding | undefined => [...held.keys()][at % (held.size || 1)];
      for (const { what, at, bytes } of steps) {
        const holding = pick(at);
        if (what === "open") {
          const opened: Holding = budget.open(() => held.delete(opened));
          held.set(opened, 0);
        } else if (what === "grow" && holding !== undefined) {
          const before = held.get(holding)!;
          if (holding.grow(bytes)) held.set(holding, before + bytes);
          else {
            holding.release();
            held.delete(holding);
          }
        } else if (what === "settle") holding?.settle();
        else if (what === "release" && holding !== undefined) {
          holding.release();
          held.delete(holding);
        } else if (what === "take" && budget.take(bytes)) taken.push(bytes);
        else if (what === "give" && taken.length > 0) budget.giveBack(taken.pop()!);
        const sum = [...held.values(), ...taken].reduce((total, one) => total + one, 0);
        expect(budget.bytes).toBe(sum);
        expect(sum).toBeLessThanOrEqual(100);
      }
    }),
  );
});
