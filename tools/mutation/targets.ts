/**
 * What is mutated, and which tests are asked: the rooms where a wrong answer gives something away.
 *
 * Owns the list. Must not know how mutants are made.
 *
 * @module
 */

/** Source files that are mutated as one group, and the tests whose failure kills their mutants. */
export interface Target {
  /** Folders and files. */
  readonly sources: readonly string[];
  /** Folders and files; which of them reach a mutant is measured. */
  readonly tests: readonly string[];
}

export const TARGETS: readonly Target[] = [
  {
    sources: ["src/crypto/primitives", "src/crypto/keys"],
    tests: [
      "test/crypto/checked-once.test.ts",
      "test/crypto/data-key-ways.test.ts",
      "test/crypto/data-key.test.ts",
      "test/crypto/hash.test.ts",
      "test/crypto/index.test.ts",
      "test/crypto/inspect.test.ts",
      "test/crypto/kernel-device.test.ts",
      "test/crypto/key-blob.test.ts",
      "test/crypto/key-context.test.ts",
      "test/crypto/native-commitment.test.ts",
      "test/crypto/random.test.ts",
      "test/crypto/recipient-document.test.ts",
      "test/crypto/sealed-data-key.test.ts",
      "test/crypto/tamper.test.ts",
      "test/crypto/uuid.test.ts",
      "test/crypto/wipes.test.ts",
      "test/crypto/xaes.test.ts",
      "test/vault/wipes.test.ts",
    ],
  },
  {
    sources: [
      "src/crypto/aead",
      "src/crypto/ciphers",
      "src/crypto/envelope",
      "src/crypto/native",
      "src/crypto/local.ts",
    ],
    tests: ["test/crypto", "test/testkit", "test/keys", "test/facade/native.test.ts"],
  },
  { sources: ["src/keys"], tests: ["test/keys", "test/facade", "test/http/key-batches.test.ts"] },
  {
    sources: ["src/server/core"],
    tests: [
      "test/server/idempotency.test.ts",
      "test/server/limits.test.ts",
      "test/server/lists.test.ts",
      "test/server/permissions.test.ts",
      "test/server/process-group.test.ts",
      "test/server/rate-limiter.test.ts",
      "test/server/request.test.ts",
      "test/server/requests.test.ts",
      "test/server/service.test.ts",
      "test/server/strict-json.test.ts",
      "test/server/vault-api.test.ts",
    ],
  },
  {
    sources: ["src/vault/access", "src/vault/authority", "src/vault/keks", "src/vault/kv", "src/vault/root"],
    // Not those that wait for PostgreSQL, processes or time: each survivor would wait for all of them.
    tests: [
      "test/vault/access.test.ts",
      "test/vault/api-keys.test.ts",
      "test/vault/authority",
      "test/vault/callers.test.ts",
      "test/vault/clock.test.ts",
      "test/vault/events.test.ts",
      "test/vault/kek-service.test.ts",
      "test/vault/keks.test.ts",
      "test/vault/key-service.test.ts",
      "test/vault/keyring-looks.test.ts",
      "test/vault/keyring-spec.test.ts",
      "test/vault/kv-service.test.ts",
      "test/vault/postgres-locks.test.ts",
      "test/vault/rewrap.test.ts",
      "test/vault/ring.test.ts",
      "test/vault/scopes.test.ts",
      "test/vault/tampering.test.ts",
      "test/vault/wipes.test.ts",
      "test/server/idempotency.test.ts",
      "test/server/permissions.test.ts",
      "test/server/requests.test.ts",
      "test/server/tenancy.test.ts",
      "test/server/vault-api.test.ts",
    ],
  },
];

/** Generated code, lists of names and types: they decide nothing. */
export const LEFT_OUT: readonly string[] = ["src/crypto/aead/wasm/module.ts", "src/server/core/openapi.ts"];
