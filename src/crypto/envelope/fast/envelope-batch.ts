/**
 * Many messages under one data key in one go.
 *
 * Owns the layout of a batch in the WebAssembly module's memory: envelopes side by side, and beside them the
 * counter blocks of all, which one native AES call enciphers where there is `node:crypto` and enough of them. The
 * module then applies keystream and hash. Nonces come from one read of the kernel: a random one for the first
 * message, each further one that plus one (NIST SP 800-38D section 8.2.2 allows both for the random field), so
 * batches collide less than as many random nonces would. Messages for which a native call of their own costs less go
 * to it one by one, beside the memory; so does what does not fit. Must not know budgets' meaning.
 *
 * @module
 */

import { decodedLength } from "../../../base/base64-portable.ts";
import type { Bytes } from "../../../base/bytes.ts";
import { type ItemResult, resultOf } from "../../../base/item-result.ts";
import type { AeadProviderName } from "../../aead/aead.ts";
import { AREA_BYTES, READ_AT, WRITE_AT } from "../../aead/wasm/layout.ts";
import { NONCE_BYTES } from "../../limits.ts";
import { failuresOf, type Prepared } from "../batch-items.ts";
import { claimsEarlierLayout } from "../envelope.ts";
import type { FrameLayout } from "../layouts.ts";
import { drawNonce } from "../nonce.ts";
import { type Budget, notText, roomFor } from "../plaintext.ts";
import { ASSOCIATED_BYTES_FAST, type BatchKey, type EnvelopeKey } from "./envelope-key.ts";
import { placeFrame } from "./frame.ts";

const BLOCK = 16;

/** Messages from which a native call for all of them is worth its start, about 3 µs. Measured. */
const NATIVE_ITEMS_MIN = 16;

/** Bytes of an envelope with its associated data that shares the memory with others; larger ones go alone. */
const SHARED_BYTES_MAX = 16 * 1024;

/** Where the envelopes of a batch end; a block of slack is left behind each. */
const END = WRITE_AT + AREA_BYTES - 4 * BLOCK;
const STREAM_END = READ_AT + AREA_BYTES - 4 * BLOCK;

/** One message in the memory. */
interface Placed {
  readonly index: number;
  /** Of its envelope. */
  readonly at: number;
  /** Of its message. */
  readonly length: number;
  readonly associatedAt: number;
  readonly associatedLength: number;
  /** Of its counter blocks, and then of mask and keystream. */
  readonly stream: number;
}

/**
 * Seals every item that was prepared without an error.
 *
 * @returns one result per item, in order; undefined for an item that the slow way must seal: nothing was spent for it
 * @throws VaultError ERR_DISPOSED, ERR_RANDOM_UNAVAILABLE, ERR_UNSUPPORTED, which hold for all items
 */
export function sealMany(
  key: EnvelopeKey,
  items: readonly ItemResult<Prepared<string | Uint8Array>>[],
  layout: FrameLayout,
  provider: AeadProviderName | undefined,
  budget: Budget,
): (ItemResult<string> | undefined)[] {
  const batch = key.batch(layout, provider);
  if (batch === undefined) return failuresOf(items);
  const results = new Array<ItemResult<string> | undefined>(items.length).fill(undefined);
  const { engine, frame, texts, slot, largest } = batch;
  const isFirst = frame.nonceAt === 0;
  const nonce = new Uint8Array(NONCE_BYTES);
  drawNonce(nonce, 0, isFirst);
  const { exports, memory } = engine;
  const frameBytes = frame.bytes.length;
  const cipher = blockCipher(batch, items.length);
  let next = 0;
  while (next < items.length) {
    placeFrame(engine, frame);
    const placed: Placed[] = [];
    let at = WRITE_AT + align(frameBytes);
    let stream = READ_AT;
    for (; next < items.length; next++) {
      const item = items[next]!;
      if (!item.ok) {
        results[next] = item;
        continue;
      }
      const { data, associatedData } = item.value;
      if (data.length > largest) {
        results[next] = alone(() => key.seal(data, associatedData, layout, provider, budget, false, nonce));
        nextNonce(nonce, isFirst);
        continue;
      }
      const room = roomFor(data);
      const needed = align(frameBytes + room) + associatedData.length + 3 * BLOCK;
      if (needed > SHARED_BYTES_MAX || associatedData.length > ASSOCIATED_BYTES_FAST) {
        // Alone, and after what is in the memory already.
        if (placed.length > 0) break;
        results[next] = alone(() => key.seal(data, associatedData, layout, provider, budget, false, nonce));
        nextNonce(nonce, isFirst);
        placeFrame(engine, frame);
        continue;
      }
      if (at + needed > END || stream + align(room) + 2 * BLOCK > STREAM_END) break;
      const body = at + frame.ciphertextAt;
      let { length } = data;
      if (typeof data === "string") length = texts.write(data, body, room);
      else memory.set(data, body);
      const spent = resultOf(() => budget.spend(length));
      if (!spent.ok) {
        memory.fill(0, body, body + length);
        results[next] = spent;
        continue;
      }
      memory.copyWithin(at, WRITE_AT, WRITE_AT + frame.ciphertextAt);
      memory.set(nonce, at + frame.nonceAt);
      nextNonce(nonce, isFirst);
      const associatedAt = at + align(frameBytes + length) + BLOCK;
      if (associatedData.length > 0) memory.set(associatedData, associatedAt);
      placed.push({
        index: next,
        at,
        length,
        associatedAt,
        associatedLength: associatedData.length,
        stream,
      });
      if (cipher !== undefined) {
        const blocks = 1 + align(length) / BLOCK;
        exports.counters(at + frame.nonceAt, blocks, stream);
        stream += blocks * BLOCK;
      }
      at = associatedAt + align(associatedData.length) + BLOCK;
    }
    encipher(cipher, memory, stream);
    for (const { index, at: start, length, associatedAt, associatedLength, stream: own } of placed) {
      const body = start + frame.ciphertextAt;
      const tagAt = frame.tagAt === undefined ? body + length : start + frame.tagAt;
      if (cipher !== undefined) {
        exports.sealWith(slot, body, length, associatedAt, associatedLength, own, tagAt);
      } else {
        exports.seal(slot, body, length, associatedAt, associatedLength, start + frame.nonceAt, tagAt);
      }
      results[index] = { ok: true, value: texts.encode(start, frameBytes + length) };
    }
    memory.fill(0, READ_AT, stream);
  }
  return results;
}

/**
 * Opens every item that is an envelope of this key's blob.
 *
 * @returns one result per item, in order; undefined for an item that the slow way must read, which has the errors
 * @throws as `sealMany`
 */
export function openMany(
  key: EnvelopeKey,
  items: readonly ItemResult<Prepared<string>>[],
  layout: FrameLayout,
  as: "text" | "bytes",
  provider: AeadProviderName | undefined,
): (ItemResult<string | Bytes> | undefined)[] {
  const batch = key.batch(layout, provider);
  if (batch === undefined) return failuresOf(items);
  const results = new Array<ItemResult<string | Bytes> | undefined>(items.length).fill(undefined);
  const { engine, frame, texts, slot, largest } = batch;
  const { exports, memory } = engine;
  const frameBytes = frame.bytes.length;
  const cipher = blockCipher(batch, items.length);
  let next = 0;
  while (next < items.length) {
    placeFrame(engine, frame);
    const placed: Placed[] = [];
    let at = WRITE_AT + align(frameBytes);
    let stream = READ_AT;
    for (; next < items.length; next++) {
      const item = items[next]!;
      if (!item.ok) {
        results[next] = item;
        continue;
      }
      const { data, associatedData } = item.value;
      if (typeof data !== "string" || data.length % 4 !== 0) continue;
      const room = (data.length / 4) * 3;
      if (decodedLength(data) - frameBytes > largest) {
        results[next] = alone(() => key.open(data, associatedData, layout, as, provider));
        continue;
      }
      const needed = align(room) + associatedData.length + 3 * BLOCK;
      if (needed > SHARED_BYTES_MAX || associatedData.length > ASSOCIATED_BYTES_FAST) continue;
      if (at + needed > END || stream + align(room) + 2 * BLOCK > STREAM_END) break;
      const total = texts.decode(data, at);
      if (total === undefined || total < frameBytes) continue;
      const { headerAt, headerBytes } = frame;
      if (exports.equal(at + headerAt, WRITE_AT + headerAt, headerBytes) !== 1) continue;
      if (frame.nonceAt === 0 && claimsEarlierLayout(memory, at)) continue;
      const length = total - frameBytes;
      const associatedAt = at + align(total) + BLOCK;
      if (associatedData.length > 0) memory.set(associatedData, associatedAt);
      placed.push({ index: next, at, length, associatedAt, associatedLength: associatedData.length, stream });
      if (cipher !== undefined) {
        const blocks = 1 + align(length) / BLOCK;
        exports.counters(at + frame.nonceAt, blocks, stream);
        stream += blocks * BLOCK;
      }
      at = associatedAt + align(associatedData.length) + BLOCK;
    }
    encipher(cipher, memory, stream);
    for (const { index, at: start, length, associatedAt, associatedLength, stream: own } of placed) {
      const body = start + frame.ciphertextAt;
      const tagAt = frame.tagAt === undefined ? body + length : start + frame.tagAt;
      const isRight =
        cipher !== undefined
          ? exports.openWith(slot, body, length, associatedAt, associatedLength, own, tagAt)
          : exports.open(
              slot,
              body,
              length,
              associatedAt,
              associatedLength,
              start + frame.nonceAt,
              NONCE_BYTES,
              tagAt,
            );
      if (isRight !== 1) continue;
      const value = as === "text" ? texts.read(body, length) : memory.slice(body, body + length);
      memory.fill(0, body, body + length);
      results[index] = value === undefined ? { ok: false, error: notText() } : { ok: true, value };
    }
    memory.fill(0, READ_AT, stream);
  }
  return results;
}

/** One message by itself; undefined for the slow way. */
function alone<T>(work: () => T | undefined): ItemResult<T> | undefined {
  const result = resultOf(work);
  return result.ok && result.value === undefined ? undefined : (result as ItemResult<T>);
}

/** One native call for the counter blocks of all messages, where it is worth it. */
function blockCipher(batch: BatchKey, items: number): ((blocks: Uint8Array) => Uint8Array) | undefined {
  return items < NATIVE_ITEMS_MIN ? undefined : batch.pieces?.blockCipher();
}

/** Turns counter blocks into masks and keystream, and leaves no second copy of them. */
function encipher(
  cipher: ((blocks: Uint8Array) => Uint8Array) | undefined,
  memory: Uint8Array,
  end: number,
): void {
  if (cipher === undefined || end === READ_AT) return;
  const enciphered = cipher(memory.subarray(READ_AT, end));
  memory.set(enciphered, READ_AT);
  enciphered.fill(0);
}

/** The nonce of the next message: plus one, or a fresh one where that could be misread ([ENV-38]). */
function nextNonce(nonce: Uint8Array, isFirst: boolean): void {
  increment(nonce);
  if (isFirst && claimsEarlierLayout(nonce, 0)) drawNonce(nonce, 0, isFirst);
}

/** The next nonce: plus one, as a big-endian number (SP 800-38D section 8.2.2). */
function increment(nonce: Uint8Array): void {
  for (let i = NONCE_BYTES - 1; i >= 0; i--) {
    nonce[i]! += 1; // A byte wraps around.
    if (nonce[i] !== 0) return;
  }
}

/** Up to whole blocks. */
const align = (bytes: number): number => (bytes + BLOCK - 1) & -BLOCK;
