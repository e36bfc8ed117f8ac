/**
 * Every size and count limit of the crypto room, with unit and source.
 *
 * Owns numbers only. Must not know what is done with them.
 *
 * @module
 */

/** Bytes of an AES-256 key (FIPS 197 section 6.1). */
export const KEY_BYTES = 32;

/** Bytes of a GCM nonce (NIST SP 800-38D section 5.2.1.1 recommends 96 bits; coffer writes nothing else). */
export const NONCE_BYTES = 12;

/** Bytes of the nonce in the `iv32` layout, which old SDKs wrote. Read only: never used to encrypt. */
export const LEGACY_NONCE_BYTES = 32;

/** Bytes of an AES block (FIPS 197 section 3.4). */
export const BLOCK_BYTES = 16;

/** Bytes of a GCM tag (NIST SP 800-38D section 5.2.1.2, the longest; shorter ones are never accepted). */
export const TAG_BYTES = 16;

/** Bytes of the largest plaintext of a one-shot call: 64 MiB. Our own cap; GCM allows 2^36 - 32 (SP 800-38D 5.2.1.1). */
export const PLAINTEXT_BYTES_MAX = 64 * 1024 * 1024;

/** Bytes of the largest wrapped data key that is read or written: 64 KiB. Our own cap (a blob has about 200). */
export const KEY_BLOB_BYTES_MAX = 64 * 1024;

/**
 * Bytes of the largest envelope as text: a largest plaintext and a largest key blob (as base64 text in `dotnet`, with
 * 4,097 tags in `native`), rounded up.
 */
export const ENVELOPE_BYTES_MAX = PLAINTEXT_BYTES_MAX + 192 * 1024;

/** Bytes of the largest associated data: 1 MiB. Our own cap; GCM allows 2^61 - 1 (SP 800-38D section 5.2.1.1). */
export const ASSOCIATED_DATA_BYTES_MAX = 1024 * 1024;

/** Entries of the largest key context (WorkOS documentation, "vault/key-context"). */
export const CONTEXT_ENTRIES_MAX = 10;

/** Characters (Unicode code points) of the longest name in a key context (WorkOS documentation). */
export const CONTEXT_NAME_CHARS_MAX = 120;

/** Characters (Unicode code points) of the longest value in a key context (WorkOS documentation). */
export const CONTEXT_VALUE_CHARS_MAX = 500;

/** Characters of the longest JSON text that is parsed as a key context: room for every entry fully escaped. */
export const CONTEXT_JSON_CHARS_MAX = 128 * 1024;

/** Bytes of plaintext in a full chunk of the native format (c2sp.org/chunked-encryption, "Message chunking"). */
export const NATIVE_CHUNK_BYTES = 16 * 1024;

/** Chunks of the largest native envelope (c2sp.org/chunked-encryption, "Message chunking"). */
export const NATIVE_CHUNKS_MAX = 2 ** 38;

/** Bytes of the largest plaintext in a native envelope: 4 PiB less one byte, as the last chunk is never full. */
export const NATIVE_PLAINTEXT_BYTES_MAX = NATIVE_CHUNKS_MAX * NATIVE_CHUNK_BYTES - 1;

/** Bytes of a native envelope's salt (c2sp.org/chunked-encryption, "Key derivation"). */
export const NATIVE_SALT_BYTES = 24;

/** Bytes of a native envelope's key commitment (c2sp.org/chunked-encryption, "Key derivation"). */
export const NATIVE_COMMITMENT_BYTES = 32;

/** Bytes of an Ed25519 signature (RFC 8032 section 5.1.6). */
export const ED25519_SIGNATURE_BYTES = 64;

/** Milliseconds that a recipient's document is valid at most: 400 days, as certificates of the web were (CA/B Forum ballot SC31). Ours. */
export const RECIPIENT_AGE_MS_MAX = 400 * 24 * 60 * 60 * 1000;

/** Milliseconds by which a sealer's clock may be late: 5 minutes, as Kerberos allows (RFC 4120 section 8.2). */
export const RECIPIENT_CLOCK_MS = 5 * 60 * 1000;
