/**
 * Randomness, at the moment of use.
 *
 * Owns the one function from which every data key, KEK, nonce and token takes its bytes. Keeps no pool: the
 * generators of all JavaScript runtimes repeat their output in both copies of a cloned virtual machine, the
 * kernel's does not (Linux mixes in the VM generation id), so on Node, Bun and Deno each call reads the kernel.
 * Must not know what the bytes are for.
 *
 * @module
 */
import { VaultError } from "../errors.ts";
import { type Runtime, runtime, type WebCrypto } from "./runtime.ts";

/** The kernel's generator on Linux, macOS and the BSDs; does not exist on Windows. */
const KERNEL_DEVICE = "/dev/urandom";

/** Bytes that Web Crypto hands out in one call (W3C Web Cryptography API, getRandomValues). */
const WEBCRYPTO_BYTES_MAX = 65536;

/** Fills an array, or `length` bytes of it from `offset`, with random bytes or throws ERR_RANDOM_UNAVAILABLE. */
export type FillRandom = (target: Uint8Array, offset?: number, length?: number) => void;

/**
 * Reads the kernel's device.
 *
 * @param device - path of a character device
 * @returns undefined where there is no such device or it may not be opened (Windows, some sandboxes): the
 *   runtime's own generator is then the best there is
 */
export function kernelRandom(fs: NonNullable<Runtime["fs"]>, device: string): FillRandom | undefined {
  let fd: number;
  try {
    fd = fs.openSync(device, "r");
    // A regular file in its place, as in a badly made chroot, would repeat itself.
    if (!fs.fstatSync(fd).isCharacterDevice()) {
      fs.closeSync(fd);
      return undefined;
    }
  } catch {
    return undefined;
  }
  return (target, offset = 0, length = target.length - offset) => {
    const end = offset + length;
    let filled = offset;
    while (filled < end) {
      let read: number;
      try {
        read = fs.readSync(fd, target, filled, end - filled, null);
      } catch (cause) {
        throw new VaultError("ERR_RANDOM_UNAVAILABLE", "the kernel's random device cannot be read", {
          cause,
        });
      }
      if (read === 0) throw new VaultError("ERR_RANDOM_UNAVAILABLE", "the kernel's random device ended");
      filled += read;
    }
  };
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
 * Chooses the source of a runtime: the kernel, else Web Crypto.
 *
 * @throws VaultError ERR_RANDOM_UNAVAILABLE, when called, where there is neither
 */
export function selectRandom(
  available: Pick<Runtime, "fs" | "webcrypto">,
  device = KERNEL_DEVICE,
): FillRandom {
  const kernel = available.fs === undefined ? undefined : kernelRandom(available.fs, device);
  if (kernel !== undefined) return kernel;
  if (available.webcrypto !== undefined) return webRandom(available.webcrypto);
  return () => {
    throw new VaultError("ERR_RANDOM_UNAVAILABLE", "this runtime has no source of random bytes");
  };
}

// Chosen at first use, not at load: importing a module must not open files.
let fill: FillRandom | undefined;

/** Bytes that were read for what runs just now, and how many of them are taken. */
let drawn: { readonly bytes: Uint8Array; taken: number } | undefined;

/**
 * Runs `work` with `length` bytes read at once for all that it asks {@link randomBytes} for before it returns or first waits:
 * a read of the kernel's costs microseconds whatever its length, and a request for a data key would need two. It is no pool:
 * nothing of it outlives the run, which nothing can come between, and no byte is given out twice.
 *
 * @param length - bytes; what asks for more than is left gets a read of its own
 */
export function withOneRead<T>(length: number, work: () => T): T {
  const outer = drawn;
  drawn = { bytes: readRandom(length), taken: 0 };
  try {
    return work();
  } finally {
    drawn.bytes.fill(0);
    drawn = outer;
  }
}

/**
 * Fresh random bytes.
 *
 * @param length - number of bytes, 0 or more
 * @returns a new array that nothing else refers to
 * @throws VaultError ERR_RANDOM_UNAVAILABLE
 */
export function randomBytes(length: number): Uint8Array {
  if (drawn === undefined || drawn.taken + length > drawn.bytes.length) return readRandom(length);
  const start = drawn.taken;
  drawn.taken += length;
  const out = drawn.bytes.slice(start, drawn.taken);
  drawn.bytes.fill(0, start, drawn.taken);
  return out;
}

function readRandom(length: number): Uint8Array {
  fill ??= selectRandom(runtime);
  const out = new Uint8Array(length);
  fill(out);
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
  fill ??= selectRandom(runtime);
  fill(target, offset, length);
}
