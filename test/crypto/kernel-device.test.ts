/** How often the kernel's device is opened, looked at and read: for what is only seen in the calls, not in the bytes. */
import { beforeEach, expect, test, vi } from "vitest";
import type { Runtime } from "../../src/base/runtime.ts";
import { KernelDevice } from "../../src/crypto/primitives/kernel-device.ts";

const IDENTITY = { dev: 5, ino: 9, rdev: 265 };

let stat: typeof IDENTITY;
/** What the next reads answer; then as many bytes as are asked for. */
let reads: number[];

const fs = {
  openSync: vi.fn(() => 99),
  fstatSync: vi.fn(() => ({ mode: 0o020_666, ...stat })),
  closeSync: vi.fn(),
  readSync: vi.fn((_fd: number, _target: Uint8Array, _offset: number, length: number, _place: unknown) => {
    return reads.shift() ?? length;
  }),
};
const calls = (): number[] => [fs.openSync, fs.fstatSync, fs.readSync].map((call) => call.mock.calls.length);

function deviceWith(): KernelDevice {
  return new KernelDevice(fs as unknown as NonNullable<Runtime["fs"]>, "linux");
}

beforeEach(() => {
  vi.clearAllMocks();
  stat = IDENTITY;
  reads = [];
});

test("[ENV-2] it is opened once, and each fill is one read", () => {
  const device = deviceWith();
  device.open();
  device.open();
  // One byte is read to see that it can be read at a place.
  expect(calls()).toEqual([1, 1, 1]);
  device.fill(new Uint8Array(32), 0, 32);
  expect(calls()).toEqual([1, 1, 2]);
  expect(fs.readSync.mock.lastCall).toEqual([99, expect.any(Uint8Array), 0, 32, expect.any(Number)]);
});

test("[ENV-2] a read that gave less is gone on with at its end, without another look", () => {
  const device = deviceWith();
  device.open();
  reads = [5, 3];
  device.fill(new Uint8Array(40), 4, 32);
  // The first try, which gave 5 of 32, counts for nothing.
  expect(fs.readSync.mock.calls.slice(2).map(([, , offset, length]) => [offset, length])).toEqual([
    [4, 32],
    [7, 29],
  ]);
  expect(calls()).toEqual([1, 1, 4]);
});

test("[ENV-2] a look at one that was never opened does nothing", () => {
  deviceWith().prove();
  expect(calls()).toEqual([0, 0, 0]);
});

test.each(["dev", "ino", "rdev"] as const)(
  "[ENV-2] a descriptor whose %s is another is let go of",
  (part) => {
    const device = deviceWith();
    device.open();
    device.prove();
    device.open();
    expect(fs.openSync).toHaveBeenCalledTimes(1);
    stat = { ...IDENTITY, [part]: part === "rdev" ? 264 : 77 };
    device.prove();
    stat = IDENTITY;
    device.fill(new Uint8Array(8), 0, 8);
    expect(fs.openSync).toHaveBeenCalledTimes(2);
    // The number belongs to another file by then.
    expect(fs.closeSync).not.toHaveBeenCalled();
  },
);
