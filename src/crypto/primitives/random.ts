/**
 * Randomness, at the moment of use.
 *
 * Owns the one function from which every data key, KEK, nonce and token takes its bytes, and the choice of their source:
 * - on Linux, macOS and the BSDs (Node, Bun, Deno) fresh bytes of the kernel's for each call, XOR those of the runtime's
 *   generator, which come from a pool. The generators of all JavaScript runtimes repeat their output in both copies of a
 *   cloned virtual machine, the kernel's does not (Linux mixes in the VM generation id); and while either is good, so is
 *   the result. A device that cannot be opened is an error, never a reason to do with less;
 * - elsewhere (Windows, browsers, edge runtimes) the runtime's generator, for each call.
 * Must not know what the bytes are for.
 *
 * @module
 */

import type { Bytes } from "../../base/bytes.ts";
import { type Runtime, runtime, type WebCrypto } from "../../base/runtime.ts";
import { VaultError } from "../../errors.ts";
import { KERNEL_DEVICE, KernelDevice } from "./kernel-device.ts";

/** Where there is the kernel's device, by the names of `process.platform`. */
const KERNEL_PLATFORMS = ["linux", "android", "darwin", "freebsd", "openbsd", "netbsd", "sunos", "aix"];

/** Bytes that Web Crypto hands out in one call (W3C Web Cryptography API, getRandomValues). */
const WEBCRYPTO_BYTES_MAX = 65536;

/** Bytes of the pool: what the generator gives in one call, which is cheapest by the byte. */
const POOL_BYTES = WEBCRYPTO_BYTES_MAX;

/** Bytes after which the kernel's device is proved again: 341 nonces. Ours; divides the pool. */
const PROVE_BYTES = 4096;

/** Fills an array, or `length` bytes of it from `offset`, with random bytes or throws ERR_RANDOM_UNAVAILABLE. */
export type FillRandom = (target: Uint8Array, offset?: number, length?: number) => void;

/** A source of random bytes. */
export interface RandomSource {
  /** Makes it ready. @throws VaultError ERR_RANDOM_UNAVAILABLE */
  open(): void;
  readonly fill: FillRandom;
}

/** Web Crypto's generator, in pieces it accepts. */
export function webRandom(crypto: Pick<WebCrypto, "getRandomValues">): FillRandom {
  return (target, offset = 0, length = target.length - offset) => {
    const end = offset + length;
    for (let at = offset; at < end; at += WEBCRYPTO_BYTES_MAX) {
      crypto.getRandomValues(target.subarray(at, Math.min(end, at + WEBCRYPTO_BYTES_MAX)));
    }
  };
}

/**
 * The kernel's bytes, XOR a generator's.
 *
 * @param generator - fills a pool; undefined for the kernel's alone
 */
export function kernelRandom(device: KernelDevice, generator: FillRandom | undefined): RandomSource {
  const pool = new Uint8Array(POOL_BYTES);
  // No byte of the pool is used twice. What was used may stay: alone it tells nothing of the result.
  let used = POOL_BYTES;
  /** Where the part of the pool ends that may be used before the device is proved again. */
  let usable = POOL_BYTES;
  const fill: FillRandom = (target, offset = 0, length = target.length - offset) => {
    device.fill(target, offset, length);
    const start = used;
    if (length > usable - start) return mixAcross(target, offset, offset + length);
    used = start + length;
    for (let i = 0; i < length; i++) target[offset + i]! ^= pool[start + i]!;
  };
  const mixAcross = (target: Uint8Array, start: number, end: number): void => {
    let at = start;
    while (at < end) {
      if (used === usable) renew();
      const until = Math.min(end, at + usable - used);
      while (at < until) target[at++]! ^= pool[used++]!;
    }
  };
  const renew = (): void => {
    device.prove();
    if (used === POOL_BYTES) {
      generator?.(pool);
      used = 0;
    }
    usable = used + PROVE_BYTES;
  };
  return { open: () => void device.open(), fill };
}

/**
 * Chooses the source of a runtime.
 *
 * @param path - of the kernel's device
 * @returns a source that throws VaultError ERR_RANDOM_UNAVAILABLE, when asked, where there is none or it cannot be opened
 */
export function selectRandom(
  available: Pick<Runtime, "fs" | "webcrypto" | "platform">,
  path = KERNEL_DEVICE,
): RandomSource {
  const { fs, webcrypto, platform } = available;
  const generator = webcrypto === undefined ? undefined : webRandom(webcrypto);
  if (fs !== undefined && KERNEL_PLATFORMS.includes(platform ?? "")) {
    return kernelRandom(new KernelDevice(fs, platform, path), generator);
  }
  if (generator !== undefined) return { open: () => {}, fill: generator };
  const none = (): never => {
    throw new VaultError("ERR_RANDOM_UNAVAILABLE", "this runtime has no source of random bytes");
  };
  return { open: none, fill: none };
}

// Chosen at first use, not at load: importing a module must not open files.
let source: RandomSource | undefined;

/**
 * Opens and proves the source, unless it is open: for whatever will need it, before connections use up the files that a
 * process may open.
 *
 * @throws VaultError ERR_RANDOM_UNAVAILABLE
 */
export function readyRandom(): void {
  source ??= selectRandom(runtime);
  source.open();
}

/**
 * Fresh random bytes.
 *
 * @param length - number of bytes, 0 or more
 * @returns a new array that nothing else refers to
 * @throws VaultError ERR_RANDOM_UNAVAILABLE
 */
export function randomBytes(length: number): Bytes {
  const out = new Uint8Array(length);
  fillRandom(out, 0, length);
  return out;
}

/**
 * Puts fresh random bytes into a part of an array.
 *
 * @param offset - where they begin
 * @param length - number of bytes; both lie inside the array
 * @throws VaultError ERR_RANDOM_UNAVAILABLE
 */
export function fillRandom(target: Uint8Array, offset: number, length: number): void {
  source ??= selectRandom(runtime);
  source.fill(target, offset, length);
}
