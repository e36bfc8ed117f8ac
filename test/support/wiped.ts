/** What arrays held when they were zeroed: for promises that a copy of a secret does not stay. */
import { vi } from "vitest";

/** Every range that was filled with zeros during `work`, as hexadecimal text, and what `work` answered. */
export async function wipedBy<T>(work: () => T | Promise<T>): Promise<{ wiped: string[]; value: T }> {
  const wiped: string[] = [];
  const spies = [Uint8Array.prototype, Buffer.prototype].map((prototype) => {
    const { fill } = prototype as Uint8Array;
    return vi.spyOn(prototype as Uint8Array, "fill").mockImplementation(function (this: Uint8Array, ...args) {
      const [value, start, end] = args;
      if (value === 0) wiped.push(hex(this.subarray(start, end)));
      return Reflect.apply(fill, this, args);
    });
  });
  try {
    return { wiped, value: await work() };
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}

/** Bytes as hexadecimal text. */
export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
