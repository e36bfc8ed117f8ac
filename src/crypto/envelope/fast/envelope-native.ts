/**
 * Native envelopes of one chunk in the WebAssembly module's memory: a key for each message, derived and wiped in the call.
 *
 * Owns the way of such a message through that memory (docs/spec/native-envelope.md sections 3 and 4). Longer messages, and
 * errors, are the long way's (src/crypto/native). Must not know which messages go this way.
 *
 * @module
 */
import type { Bytes } from "../../../base/bytes.ts";
import type { WasmEngine } from "../../aead/wasm/engine.ts";
import { KEY_AT, MESSAGE_SLOT_AT, NONCE_AT, READ_AT, SLOT_BYTES, WRITE_AT } from "../../aead/wasm/layout.ts";
import type { DataKey } from "../../keys/data-key.ts";
import {
  KEY_BYTES,
  NATIVE_CHUNK_BYTES,
  NATIVE_COMMITMENT_BYTES,
  NATIVE_SALT_BYTES,
  NONCE_BYTES,
  TAG_BYTES,
} from "../../limits.ts";
import { DERIVED_BYTES, infoOf } from "../../native/derivation.ts";
import { FIXED_HEADER } from "../../native/format.ts";
import type { HashProvider } from "../../primitives/hash-port.ts";
import { expandSha512 } from "../../primitives/hkdf-expand.ts";
import { fillRandom } from "../../primitives/random.ts";
import { type Budget, notText, roomFor } from "../plaintext.ts";
import { type EnvelopeFrame, placeFrame } from "./frame.ts";
import type { ModuleKey } from "./module-key.ts";

/** Bytes of the largest message that is one chunk. */
export const ONE_CHUNK_BYTES_MAX: number = NATIVE_CHUNK_BYTES - 1;

/** The way of messages of one chunk; without one they go the long way. */
export interface OneChunkWay {
  /**
   * Seals one message.
   *
   * @returns undefined for one that may be longer than a chunk: nothing was spent then
   * @throws VaultError ERR_DISPOSED, ERR_RANDOM_UNAVAILABLE, and what the budget throws; nothing of the message stays then
   */
  seal(
    module: ModuleKey,
    key: DataKey,
    frame: EnvelopeFrame,
    plaintext: string | Uint8Array,
    associatedData: Uint8Array,
    budget: Budget,
  ): string | undefined;

  /**
   * Opens an envelope of a frame's layout and key blob.
   *
   * @param text - its length is a multiple of 4
   * @param size - bytes of the message, if it is what it claims to be
   * @returns undefined where this way cannot tell: a longer message, another key blob, not canonical, a wrong commitment or tag
   * @throws VaultError ERR_DISPOSED, ERR_PLAINTEXT_NOT_TEXT
   */
  open(
    module: ModuleKey,
    key: DataKey,
    frame: EnvelopeFrame,
    text: string,
    size: number,
    associatedData: Uint8Array,
    as: "text" | "bytes",
  ): string | Bytes | undefined;
}

/** The way over hashes that answer at once. */
export const oneChunkWay = (hash: HashProvider): OneChunkWay => ({
  seal: (module, key, frame, plaintext, associatedData, budget) =>
    roomFor(plaintext) > ONE_CHUNK_BYTES_MAX
      ? undefined
      : sealOneChunk(hash, module, key, frame, plaintext, associatedData, budget),
  open: (module, key, frame, text, size, associatedData, as) =>
    size > ONE_CHUNK_BYTES_MAX ? undefined : openOneChunk(hash, module, key, frame, text, associatedData, as),
});

function sealOneChunk(
  hash: HashProvider,
  { provider: { engine }, texts }: ModuleKey,
  key: DataKey,
  frame: EnvelopeFrame,
  plaintext: string | Uint8Array,
  associatedData: Uint8Array,
  budget: Budget,
): string {
  const { exports, memory } = engine;
  // From here to the end nothing runs code of the application: whatever lies in the memory is this call's.
  let { length } = plaintext;
  if (engine.headerOwner !== frame) placeFrame(engine, frame);
  const at = WRITE_AT + frame.ciphertextAt;
  const saltAt = WRITE_AT + frame.nonceAt;
  if (typeof plaintext === "string") length = texts.write(plaintext, at, 3 * length);
  else memory.set(plaintext, at);
  let derived: Bytes;
  try {
    budget.spend(length);
    fillRandom(memory, saltAt, NATIVE_SALT_BYTES);
    derived = derive(hash, key, memory, saltAt, associatedData);
  } catch (error) {
    memory.fill(0, at, at + length);
    throw error;
  }
  placeKey(engine, derived);
  const commitmentAt = saltAt + NATIVE_SALT_BYTES;
  for (let i = 0; i < NATIVE_COMMITMENT_BYTES; i++) memory[commitmentAt + i] = derived[COMMITMENT_FROM + i]!;
  derived.fill(0);
  exports.seal(MESSAGE_SLOT_AT, at, length, at, 0, NONCE_AT, at + length);
  wipeKey(memory);
  return texts.encode(WRITE_AT, frame.ciphertextAt + length + TAG_BYTES);
}

function openOneChunk(
  hash: HashProvider,
  { provider: { engine }, texts }: ModuleKey,
  key: DataKey,
  frame: EnvelopeFrame,
  text: string,
  associatedData: Uint8Array,
  as: "text" | "bytes",
): string | Bytes | undefined {
  const { exports, memory } = engine;
  const total = texts.decode(text, READ_AT);
  if (total === undefined || total < frame.bytes.length) return undefined;
  if (engine.headerOwner !== frame) placeFrame(engine, frame);
  if (exports.equal(READ_AT, WRITE_AT, frame.headerBytes) !== 1) return undefined;
  const saltAt = READ_AT + frame.nonceAt;
  const derived = derive(hash, key, memory, saltAt, associatedData);
  // [NAT-9]: before anything is decrypted, and in time that does not depend on where they differ.
  let difference = 0;
  const commitmentAt = saltAt + NATIVE_SALT_BYTES;
  for (let i = 0; i < NATIVE_COMMITMENT_BYTES; i++) {
    difference |= memory[commitmentAt + i]! ^ derived[COMMITMENT_FROM + i]!;
  }
  if (difference !== 0) {
    derived.fill(0);
    return undefined;
  }
  const at = READ_AT + frame.ciphertextAt;
  const length = total - frame.bytes.length;
  placeKey(engine, derived);
  derived.fill(0);
  const isRight = exports.open(MESSAGE_SLOT_AT, at, length, at, 0, NONCE_AT, NONCE_BYTES, at + length);
  wipeKey(memory);
  if (isRight !== 1) return undefined;
  const result = as === "text" ? texts.read(at, length) : memory.slice(at, at + length);
  memory.fill(0, at, at + length);
  if (result === undefined) throw notText();
  return result;
}

/** Where in what was derived the commitment begins. */
const COMMITMENT_FROM = KEY_BYTES + NONCE_BYTES;

/** A message's key, base nonce and commitment, which the caller wipes. */
function derive(
  hash: HashProvider,
  key: DataKey,
  memory: Uint8Array,
  saltAt: number,
  associatedData: Uint8Array,
): Bytes {
  const info = infoOf(memory.subarray(saltAt, saltAt + NATIVE_SALT_BYTES), FIXED_HEADER, associatedData);
  return key.lend((raw) => expandSha512(hash, raw, info, DERIVED_BYTES));
}

/** Expands a message's key into the slot of such keys, and puts its nonce beside it: that of the first chunk is the base nonce. */
function placeKey({ exports, memory }: WasmEngine, derived: Uint8Array): void {
  for (let i = 0; i < KEY_BYTES; i++) memory[KEY_AT + i] = derived[i]!;
  for (let i = 0; i < NONCE_BYTES; i++) memory[NONCE_AT + i] = derived[KEY_BYTES + i]!;
  exports.expand(MESSAGE_SLOT_AT);
}

/** Wipes them. */
function wipeKey(memory: Uint8Array): void {
  memory.fill(0, MESSAGE_SLOT_AT, MESSAGE_SLOT_AT + SLOT_BYTES);
  memory.fill(0, NONCE_AT, NONCE_AT + NONCE_BYTES);
}
