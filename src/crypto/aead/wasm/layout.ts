/**
 * Where everything lies in the linear memory of the AES-GCM module: fixed, never grown, so that no view of it
 * ever detaches.
 *
 * Owns addresses and sizes; the generator (tools/wasm) and the provider both take them from here. Must not know
 * what uses them.
 *
 * @module
 */

const BLOCK = 16;

/** Bytes of a WebAssembly page (core specification section 4.2.8). */
const PAGE_BYTES = 65536;

/** Pages of the memory: 320 KiB, room for two pieces of a message. */
export const MEMORY_PAGES = 5;

/** The same in bytes. */
export const MEMORY_BYTES = MEMORY_PAGES * PAGE_BYTES;

/** A raw key on its way into a slot; the module zeroes it as soon as it is expanded. 32 bytes. */
export const KEY_AT = 0;

/** The nonce of a call: 12 bytes, or 32 that are only read; behind it room for a 16-byte load. */
export const NONCE_AT = 32;

/** The tag: what sealing answers, what opening compares with. 16 bytes. */
export const TAG_AT = 80;

/** A message in pieces: its counter block. 16 bytes. */
export const COUNTER_AT = 96;
/** The same: the mask of its tag. 16 bytes. */
export const MASK_AT = 112;
/** The same: the sum of GHASH so far. 16 bytes. */
export const SUM_AT = 128;

/** Room in which the module itself works; holds lengths and, for a moment, a keystream block. 16 bytes. */
export const WORK_AT = 144;

/** 15 round keys (FIPS 197 section 5.2), in the form that the rounds use. */
const ROUND_KEY_BYTES = 15 * BLOCK;

/** The two nibble tables of H, 16 vectors each. */
export const HASH_TABLE_AT = ROUND_KEY_BYTES;
const HASH_TABLE_BYTES = 2 * 16 * BLOCK;

/** Everything that is derived from one key. */
export const SLOT_BYTES = ROUND_KEY_BYTES + HASH_TABLE_BYTES;

/** Where the slots begin; the constants above end before. */
export const SLOTS_AT = 1024;

/** Keys that are held ready at once; further ones take turns. */
export const SLOT_COUNT = 96;

/** A slot more, for a key that serves one message and is wiped before its call returns. */
export const MESSAGE_SLOT_AT = SLOTS_AT + SLOT_COUNT * SLOT_BYTES;

/** Where messages and associated data lie during a call; 16 bytes before it belong to it. */
export const DATA_AT = SLOTS_AT + (SLOT_COUNT + 1) * SLOT_BYTES + 4 * BLOCK;

/** Where an envelope is put together (src/crypto/envelope/fast/envelope-key.ts): at most one area's bytes. */
export const WRITE_AT = DATA_AT + BLOCK;

/** Where an envelope is taken apart; apart from the other, so that a header that lies ready there stays. */
export const READ_AT = WRITE_AT + 96 * 1024;

/** Bytes of either area. */
export const AREA_BYTES = 96 * 1024 - 4 * BLOCK;
