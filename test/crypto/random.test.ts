/** Where random bytes come from: the kernel at the moment of use, else Web Crypto, else nowhere. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test, vi } from "vitest";
import type { Runtime } from "../../src/base/runtime.ts";
import { KernelDevice } from "../../src/crypto/primitives/kernel-device.ts";
import { kernelRandom, randomBytes, selectRandom, webRandom } from "../../src/crypto/primitives/random.ts";
import { errorOf } from "../support/errors.ts";

const nodeFs = process.getBuiltinModule("node:fs");
const directory = mkdtempSync(join(tmpdir(), "coffer-random-"));
afterAll(() => rmSync(directory, { recursive: true }));

const webcrypto = globalThis.crypto as unknown as NonNullable<Runtime["webcrypto"]>;

/** A file system with some calls replaced. */
function fakeFs(overrides: Partial<Record<"openSync" | "fstatSync" | "readSync" | "closeSync", unknown>>) {
  return {
    openSync: () => 99,
    fstatSync: () => ({ mode: 0o020_666 }),
    closeSync: vi.fn(),
    ...overrides,
  } as unknown as NonNullable<Runtime["fs"]>;
}

/** Whether every byte of `bytes` looks filled: the chance that a run of 8 zeros is random is 2^-64 for each place. */
function isFilled(bytes: Uint8Array): boolean {
  return !Buffer.from(bytes).includes(Buffer.alloc(8));
}

describe("[ENV-2] randomBytes", () => {
  test("answers as many bytes as asked, in a new array, different each time", () => {
    const all = new Set<string>();
    for (let i = 0; i < 500; i++) {
      const bytes = randomBytes(32);
      expect(bytes).toHaveLength(32);
      expect(bytes.constructor).toBe(Uint8Array);
      expect(bytes.buffer.byteLength).toBe(32);
      all.add(Buffer.from(bytes).toString("hex"));
    }
    expect(all.size).toBe(500);
    expect(randomBytes(0)).toHaveLength(0);
    expect(isFilled(randomBytes(200_000))).toBe(true);
  });
});

describe("[ENV-2] [NAT-29] the kernel's device", () => {
  const deviceOf = (fs: NonNullable<Runtime["fs"]>, path?: string) => new KernelDevice(fs, "darwin", path);
  const filled = (device: KernelDevice, length = 4): Uint8Array => {
    const target = new Uint8Array(length).fill(1);
    device.fill(target, 0, length);
    return target;
  };

  test("is read for each call, from the device that is named, and nothing is opened before", () => {
    const openSync = vi.spyOn(nodeFs, "openSync");
    const device = new KernelDevice(nodeFs, "darwin", "/dev/zero");
    expect(openSync).not.toHaveBeenCalled();
    expect([...filled(device)]).toEqual([0, 0, 0, 0]);
    filled(device);
    expect(openSync).toHaveBeenCalledTimes(1);
    openSync.mockRestore();
  });

  test.each([
    ["EMFILE", true, "ulimit -n"],
    ["ENFILE", true, "ulimit -n"],
    ["ENOENT", false, "Mount /dev"],
    ["EACCES", false, "--allow-fs-read=/dev/urandom"],
  ])("that cannot be opened (%s) is an error that says what to do", (code, retryable, hint) => {
    const openSync = (): never => {
      throw Object.assign(new Error("no"), { code });
    };
    const error = errorOf(() => filled(deviceOf(fakeFs({ openSync }))));
    expect(error).toMatchObject({ code: "ERR_RANDOM_UNAVAILABLE", retryable });
    expect(error.message).toContain("/dev/urandom cannot be opened");
    expect(error.message).toContain(hint);
  });

  test("is read on after a read that gave less, and where the platform has no name", () => {
    const readSync = vi.fn((_fd: number, target: Uint8Array, offset: number, length: number) => {
      const read = Math.min(length, 3);
      target.fill(7, offset, offset + read);
      return read;
    });
    const device = new KernelDevice(fakeFs({ readSync }), undefined);
    expect([...filled(device)]).toEqual([7, 7, 7, 7]);
    expect([...filled(device)]).toEqual([7, 7, 7, 7]);
  });

  test("is opened anew after its descriptor was closed", () => {
    const openSync = vi.fn(() => 99);
    let isClosed = false;
    const fstatSync = (): unknown => {
      if (isClosed) throw Object.assign(new Error("closed"), { code: "EBADF" });
      return { mode: 0o020_666, dev: 1, ino: 2, rdev: 3 };
    };
    const device = deviceOf(
      fakeFs({ openSync, fstatSync, readSync: (...[, , , length]: number[]) => length }),
    );
    filled(device);
    device.prove();
    expect(openSync).toHaveBeenCalledTimes(1);
    isClosed = true;
    device.prove();
    isClosed = false;
    filled(device);
    expect(openSync).toHaveBeenCalledTimes(2);
  });

  test("is read on until the target is full, at a place that no file reaches", () => {
    const requests: [offset: number, length: number][] = [];
    const device = deviceOf(
      fakeFs({
        readSync: (fd: number, target: Uint8Array, offset: number, length: number, position: number) => {
          expect([fd, position]).toEqual([99, 2 ** 52]);
          requests.push([offset, length]);
          const read = Math.min(length, 4);
          target.fill(offset + 1, offset, offset + read);
          return read;
        },
      }),
    );
    expect([...filled(device, 10)]).toEqual([1, 1, 1, 1, 5, 5, 5, 5, 9, 9]);
    expect(requests.slice(1)).toEqual([
      [0, 10],
      [4, 6],
      [8, 2],
    ]);
  });

  test("that has no places is proved before each read", () => {
    const fstatSync = vi.fn(() => ({ mode: 0o020_666, dev: 1, ino: 2, rdev: 3 }));
    const readSync = vi.fn(
      (_fd: number, _t: Uint8Array, _o: number, length: number, place: number | null) => {
        if (place !== null) throw new Error("ESPIPE");
        return length;
      },
    );
    const device = deviceOf(fakeFs({ fstatSync, readSync }));
    filled(device);
    filled(device);
    // At the opening, and before the second read.
    expect(fstatSync).toHaveBeenCalledTimes(2);
  });

  test("that fails later is opened anew once, then an error with its cause, never a fallback to weaker bytes", () => {
    const cause = new Error("EIO");
    const openSync = vi.fn(() => 99);
    const failing = fakeFs({
      openSync,
      readSync: () => {
        throw cause;
      },
    });
    const source = selectRandom({ fs: failing, webcrypto, platform: "darwin" }, "/dev/urandom");
    const error = errorOf(() => source.fill(new Uint8Array(4)));
    expect(error).toMatchObject({ code: "ERR_RANDOM_UNAVAILABLE", cause });
    expect(openSync).toHaveBeenCalledTimes(2);
  });

  test("that ends is an error, not an endless loop", () => {
    expect(errorOf(() => filled(deviceOf(nodeFs, "/dev/null"))).code).toBe("ERR_RANDOM_UNAVAILABLE");
  });

  test.each([
    ["absent", undefined, /there is none/],
    [
      "a regular file, which would repeat itself",
      new Uint8Array(1000).fill(7),
      /is not the kernel's random device/,
    ],
  ])("%s is an error", (name, content, message) => {
    const path = join(directory, name.slice(0, 8));
    if (content !== undefined) writeFileSync(path, content);
    const error = errorOf(() => deviceOf(nodeFs, path).open());
    expect([error.code, error.message]).toEqual(["ERR_RANDOM_UNAVAILABLE", expect.stringMatching(message)]);
  });

  test("another character device is an error where devices have numbers, and is closed", () => {
    const device = new KernelDevice(nodeFs, "linux", "/dev/zero");
    expect(errorOf(() => device.open()).code).toBe("ERR_RANDOM_UNAVAILABLE");
    const fs = fakeFs({ fstatSync: () => ({ mode: 0o100_666 }) });
    expect(errorOf(() => deviceOf(fs).open()).code).toBe("ERR_RANDOM_UNAVAILABLE");
    expect(fs.closeSync).toHaveBeenCalledWith(99);
  });

  test("its bytes are XORed with those of a generator, of which none serves twice", () => {
    let next = 0;
    const source = kernelRandom(deviceOf(nodeFs, "/dev/zero"), (target) => {
      next += 1;
      target.fill(next);
    });
    const all = new Uint8Array(65_536 + 10);
    source.fill(all);
    expect(new Set(all.subarray(0, 65_536))).toEqual(new Set([1]));
    expect(new Set(all.subarray(65_536))).toEqual(new Set([2]));
    const kernel = new Uint8Array(64);
    kernelRandom(new KernelDevice(nodeFs, process.platform), undefined).fill(kernel);
    expect(isFilled(kernel)).toBe(true);
  });

  test("[ENV-2] the device is proved again after 4 KiB at most, however they are asked for", () => {
    const device = deviceOf(nodeFs, "/dev/zero");
    const prove = vi.spyOn(device, "prove");
    const source = kernelRandom(device, undefined);
    for (const length of [12, 4000, 12, 12, 60, 12, 8192, 24]) {
      const before = prove.mock.calls.length;
      source.fill(new Uint8Array(length));
      expect(prove.mock.calls.length - before).toBeLessThanOrEqual(Math.ceil(length / 4096) + 1);
    }
    // 12,324 bytes.
    expect(prove).toHaveBeenCalledTimes(4);
  });
});

describe("[ENV-2] the kernel's bytes with a generator's", () => {
  /** A device that gives all ones, and what it was asked for; a generator that counts its bytes on and on. */
  function counted() {
    const asked: [offset: number, length: number][] = [];
    const pools: number[] = [];
    let proofs = 0;
    const device = {
      open: () => 99,
      prove: () => {
        proofs += 1;
      },
      fill: (target: Uint8Array, offset: number, length: number) => {
        asked.push([offset, length]);
        target.fill(0xff, offset, offset + length);
      },
    } as unknown as KernelDevice;
    let next = 0;
    const source = kernelRandom(device, (pool) => {
      pools.push(pool.length);
      for (let i = 0; i < pool.length; i++) pool[i] = next++ % 251;
    });
    return { source, asked, pools, proofs: () => proofs };
  }

  test("are XORed, each byte of the pool with one, in parts of arrays and over the pool's end", () => {
    const { source, asked, pools, proofs } = counted();
    let expected = 0;
    for (const [size, offset, length] of [
      [10, 0, 10],
      [40, 7, 20],
      [5_000, 100, 4_070],
      [9_000, 1, 8_193],
      [54_000, 0, 53_240],
      [30, 10, 6],
    ] as const) {
      const target = new Uint8Array(size);
      source.fill(target, offset, length);
      const wanted = new Uint8Array(size);
      for (let i = offset; i < offset + length; i++) wanted[i] = 0xff ^ (expected++ % 251);
      expect(Buffer.compare(target, wanted)).toBe(0);
    }
    // 65,539 bytes: the last call goes over the end of the pool. The device is proved every 4,096.
    expect([pools, proofs()]).toEqual([[65_536, 65_536], 17]);
    expect(asked).toEqual([
      [0, 10],
      [7, 20],
      [100, 4_070],
      [1, 8_193],
      [0, 53_240],
      [10, 6],
    ]);
  });

  test("fill an array to its end where no length is given", () => {
    const { source, asked } = counted();
    source.fill(new Uint8Array(10), 4);
    source.fill(new Uint8Array(10));
    expect(asked).toEqual([
      [4, 6],
      [0, 10],
    ]);
  });
});

test("[ENV-2] what makes randomness ready opens the device, once, before any byte is asked for", async () => {
  const openSync = vi.spyOn(nodeFs, "openSync");
  vi.resetModules();
  try {
    const { readyRandom } = await import("../../src/crypto/primitives/random.ts");
    expect(openSync).not.toHaveBeenCalled();
    readyRandom();
    readyRandom();
    expect(openSync.mock.calls.filter(([path]) => path === "/dev/urandom")).toHaveLength(
      process.platform === "win32" ? 0 : 1,
    );
  } finally {
    openSync.mockRestore();
  }
});

describe("the choice", () => {
  test.each([
    [undefined, "linux"],
    [nodeFs, "win32"],
    [nodeFs, undefined],
  ])("Web Crypto where there is no kernel device", (fs, platform) => {
    const target = new Uint8Array(64);
    const source = selectRandom({ fs, webcrypto, platform }, join(directory, "absent"));
    source.open();
    source.fill(target);
    expect(isFilled(target)).toBe(true);
  });

  test("an error where there is neither, and only when bytes are asked for", () => {
    const { fill } = selectRandom({ fs: undefined, webcrypto: undefined, platform: "linux" });
    expect(errorOf(() => fill(new Uint8Array(1))).code).toBe("ERR_RANDOM_UNAVAILABLE");
  });
});

test("Web Crypto is asked for pieces that it accepts, and every byte is filled", () => {
  const lengths: number[] = [];
  const fill = webRandom({
    getRandomValues: (target) => {
      lengths.push((target as unknown as Uint8Array).length);
      return webcrypto.getRandomValues(target);
    },
  });
  const target = new Uint8Array(65536 + 65536 + 10);
  fill(target);
  expect(lengths).toEqual([65536, 65536, 10]);
  expect(isFilled(target)).toBe(true);
  expect(isFilled(target.subarray(-10))).toBe(true);
  lengths.length = 0;
  fill(new Uint8Array(10), 4);
  fill(new Uint8Array(65536));
  expect(lengths).toEqual([6, 65536]);
});
