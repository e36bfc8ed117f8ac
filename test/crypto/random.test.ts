/** Where random bytes come from: the kernel at the moment of use, else Web Crypto, else nowhere. */
import * as nodeFs from "node:fs";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test, vi } from "vitest";
import { kernelRandom, randomBytes, selectRandom, webRandom, withOneRead } from "../../src/crypto/random.ts";
import type { Runtime } from "../../src/crypto/runtime.ts";
import { errorOf } from "../support/errors.ts";

const directory = mkdtempSync(join(tmpdir(), "coffer-random-"));
afterAll(() => rmSync(directory, { recursive: true }));

const webcrypto = globalThis.crypto as unknown as NonNullable<Runtime["webcrypto"]>;

/** A file system with some calls replaced. */
function fakeFs(overrides: Partial<Record<"openSync" | "fstatSync" | "readSync" | "closeSync", unknown>>) {
  return {
    openSync: () => 99,
    fstatSync: () => ({ isCharacterDevice: () => true }),
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

describe("withOneRead", () => {
  /** What the kernel was asked for while `work` ran: the array of each read, and how many bytes. */
  async function readsOf(work: () => unknown): Promise<{ target: Uint8Array; bytes: number }[]> {
    randomBytes(1); // The device is open.
    const reads: { target: Uint8Array; bytes: number }[] = [];
    const fs = process.getBuiltinModule("node:fs");
    const original = fs.readSync;
    const spy = vi.spyOn(fs, "readSync").mockImplementation(((
      fd: number,
      target: Uint8Array,
      offset: number,
      bytes: number,
    ) => {
      reads.push({ target, bytes });
      return original(fd, target, offset, bytes, null);
    }) as typeof original);
    try {
      await work();
    } finally {
      spy.mockRestore();
    }
    return reads;
  }

  test("reads once for all that a run asks for, gives no byte twice, and wipes what is left", async () => {
    const given: Uint8Array[] = [];
    const reads = await readsOf(() => {
      withOneRead(80, () => given.push(randomBytes(32), randomBytes(24), randomBytes(0), randomBytes(12)));
    });
    expect(reads.map(({ bytes }) => bytes)).toEqual([80]);
    expect(given.map(({ length }) => length)).toEqual([32, 24, 0, 12]);
    expect(given.filter(({ length }) => length > 0).every(isFilled)).toBe(true);
    expect(new Set(given.map(({ buffer }) => buffer)).size).toBe(4);
    expect(reads[0]!.target).toEqual(new Uint8Array(80));
  });

  test("what asks for more than is left, comes later or after a wait, reads for itself", async () => {
    const reads = await readsOf(async () => {
      const later = withOneRead(8, async () => {
        randomBytes(9);
        randomBytes(8);
        randomBytes(1);
        await null;
        randomBytes(2);
      });
      randomBytes(3);
      await later;
      expect(errorOf(() => withOneRead(8, () => expect.fail("no"))).message).toBe("no");
      randomBytes(4);
    });
    expect(reads.map(({ bytes }) => bytes)).toEqual([8, 9, 1, 3, 2, 8, 4]);
  });

  test("runs within runs have bytes of their own", async () => {
    const reads = await readsOf(() =>
      withOneRead(4, () => {
        withOneRead(2, () => randomBytes(2));
        randomBytes(4);
      }),
    );
    expect(reads.map(({ bytes }) => bytes)).toEqual([4, 2]);
  });
});

describe("the kernel's device", () => {
  test("is read for each call, from the device that is named", () => {
    const fill = kernelRandom(nodeFs, "/dev/zero")!;
    const target = new Uint8Array(100).fill(1);
    fill(target);
    expect(target).toEqual(new Uint8Array(100));
  });

  test("is read on until the target is full", () => {
    const requests: [offset: number, length: number][] = [];
    const fill = kernelRandom(
      fakeFs({
        readSync: (fd: number, target: Uint8Array, offset: number, length: number, position: null) => {
          expect([fd, position]).toEqual([99, null]);
          requests.push([offset, length]);
          const read = Math.min(length, 4);
          target.fill(offset + 1, offset, offset + read);
          return read;
        },
      }),
      "/dev/urandom",
    )!;
    const target = new Uint8Array(10);
    fill(target);
    expect(requests).toEqual([
      [0, 10],
      [4, 6],
      [8, 2],
    ]);
    expect([...target]).toEqual([1, 1, 1, 1, 5, 5, 5, 5, 9, 9]);
  });

  test("that fails later is an error, never a fallback to weaker bytes", () => {
    const cause = new Error("EIO");
    const failing = fakeFs({
      readSync: () => {
        throw cause;
      },
    });
    const fill = selectRandom({ fs: failing, webcrypto }, "/dev/urandom");
    const error = errorOf(() => fill(new Uint8Array(4)));
    expect(error).toMatchObject({ code: "ERR_RANDOM_UNAVAILABLE", cause });
  });

  test("that ends is an error, not an endless loop", () => {
    const fill = kernelRandom(nodeFs, "/dev/null")!;
    expect(errorOf(() => fill(new Uint8Array(4))).code).toBe("ERR_RANDOM_UNAVAILABLE");
  });

  test("is not taken where it does not exist", () => {
    expect(kernelRandom(nodeFs, join(directory, "absent"))).toBeUndefined();
  });

  test("is not taken where a regular file stands in its place, which would repeat itself", () => {
    const file = join(directory, "urandom");
    writeFileSync(file, new Uint8Array(1000).fill(7));
    expect(kernelRandom(nodeFs, file)).toBeUndefined();
    const fs = fakeFs({ fstatSync: () => ({ isCharacterDevice: () => false }) });
    expect(kernelRandom(fs, "/dev/urandom")).toBeUndefined();
    expect(fs.closeSync).toHaveBeenCalledWith(99);
  });
});

describe("the choice", () => {
  test("Web Crypto where there is no kernel device", () => {
    const target = new Uint8Array(64);
    selectRandom({ fs: undefined, webcrypto })(target);
    expect(isFilled(target)).toBe(true);
    selectRandom({ fs: nodeFs, webcrypto }, join(directory, "absent"))(target.fill(0));
    expect(isFilled(target)).toBe(true);
  });

  test("the kernel where there are both", () => {
    const target = new Uint8Array(4).fill(1);
    selectRandom({ fs: nodeFs, webcrypto }, "/dev/zero")(target);
    expect([...target]).toEqual([0, 0, 0, 0]);
  });

  test("an error where there is neither, and only when bytes are asked for", () => {
    const fill = selectRandom({ fs: undefined, webcrypto: undefined });
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
});
