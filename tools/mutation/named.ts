/**
 * Mutants that must be killed by name: each takes away something that protects a secret or a right, and gives the same
 * answers otherwise. `npm run mutation -- --named` runs them.
 *
 * Owns the list, with the tests that notice each. Must not know how they run.
 *
 * @module
 */

/** One change, and the tests of which one must fail. */
export interface NamedMutant {
  readonly file: string;
  /** Stands in the file once. */
  readonly find: string;
  readonly replace: string;
  readonly tests: readonly string[];
}

const VAULT_WIPES = ["test/vault/wipes.test.ts"];
const DATA_KEYS = ["test/crypto/data-key.test.ts", "test/crypto/wipes.test.ts"];
const XAES_TESTS = ["test/crypto/xaes.test.ts", "test/crypto/wipes.test.ts"];
const RING = "src/vault/keks/ring.ts";
const KEYRING = "src/vault/keks/keyring.ts";
const RING_CACHE = "src/vault/keks/ring-cache.ts";
const KEY_SERVICE = "src/vault/keks/key-service.ts";
const VALUES = "src/vault/kv/values.ts";
const DATA_KEY = "src/crypto/keys/data-key.ts";
const XAES = "src/crypto/primitives/xaes.ts";

const RING_TESTS = ["test/vault/ring-cache.test.ts", ...VAULT_WIPES];

/** Calls that only zero or let go of something, with what stands before them: without them, every answer is the same. */
const WIPES: readonly [file: string, before: string, wipe: string, tests: readonly string[]][] = [
  [RING, "for (const secret of [input, ...kekBytes]) ", "secret.fill(0)", VAULT_WIPES],
  [RING, "  };\n  ", "wrappingKey.fill(0)", VAULT_WIPES],
  [RING, "", "random.fill(0)", VAULT_WIPES],
  [RING_CACHE, "new Set(this.#entries.values())) ", "ring.wrappingKey.dispose()", RING_TESTS],
  [KEYRING, "else ", "ring.wrappingKey.dispose()", ["test/vault/keyring-looks.test.ts", ...VAULT_WIPES]],
  [RING_CACHE, "if (entry.names > 0) return;\n    ", "entry.ring.wrappingKey.dispose()", RING_TESTS],
  ["src/vault/root/root-keys.ts", "", "kek.fill(0)", VAULT_WIPES],
  [KEY_SERVICE, "for (const { key } of made) ", "key.fill(0)", VAULT_WIPES],
  [KEY_SERVICE, "finally {\n      ", "old.key.fill(0)", VAULT_WIPES],
  [KEY_SERVICE, "", "made?.key.fill(0)", VAULT_WIPES],
  [KEY_SERVICE, "catch (error) {\n        ", "old.key.fill(0)", VAULT_WIPES],
  [KEY_SERVICE, "of the same bytes.\n      ", "old.key.fill(0)", VAULT_WIPES],
  [KEY_SERVICE, "await this.#unwrap(keys, call);\n        ", "key.fill(0)", VAULT_WIPES],
  [KEY_SERVICE, "finally {\n    ", "key.fill(0)", VAULT_WIPES],
  [VALUES, "", "key.key.fill(0)", VAULT_WIPES],
  [VALUES, "unwrapped.id !== row.key_id) {\n      ", "key.fill(0)", VAULT_WIPES],
  [VALUES, "finally {\n      ", "key.fill(0)", VAULT_WIPES],
  ["src/vault/kv/rewrap.ts", "", "unwrapped?.key.fill(0)", VAULT_WIPES],
  [DATA_KEY, "for (const key of this.#imported.values()) ", "key.dispose()", DATA_KEYS],
  [DATA_KEY, "", "this.#secret.dispose()", DATA_KEYS],
  [DATA_KEY, "finally {\n    ", "key.dispose()", DATA_KEYS],
  [DATA_KEY, "return use(raw.bytes);\n  } finally {\n    if (raw.isOurs) ", "raw.bytes.fill(0)", DATA_KEYS],
  [DATA_KEY, "release: () => ", "dataKey.fill(0)", DATA_KEYS],
  ["src/crypto/primitives/secret-bytes.ts", "", "this.#bytes?.fill(0)", DATA_KEYS],
  ["src/crypto/primitives/uuid.ts", "", "input.fill(0)", ["test/crypto/uuid.test.ts", ...VAULT_WIPES]],
  [XAES, "derived.commitment);\n    } finally {\n      ", "derived.key.fill(0)", XAES_TESTS],
  [XAES, "      );\n    } finally {\n      ", "derived.key.fill(0)", XAES_TESTS],
  [XAES, "", "this.#cipher.dispose()", XAES_TESTS],
  [XAES, "", "this.#k1.fill(0)", XAES_TESTS],
  [XAES, "", "held.dispose()", XAES_TESTS],
  [XAES, "", "gcm.dispose()", XAES_TESTS],
];

/** All of them. */
export const NAMED: readonly NamedMutant[] = [
  ...WIPES.map(([file, before, wipe, tests]) => ({
    file,
    find: before + wipe,
    replace: `${before}void 0`,
    tests,
  })),
  {
    file: "src/keys/leased-key.ts",
    find: "return options.layouts === undefined && options.requireCommitment !== true;",
    replace: "return options.requireCommitment !== true;",
    tests: ["test/keys/lease.test.ts", "test/keys/lease-batch.test.ts", "test/crypto/short-ways.test.ts"],
  },
  {
    file: "src/keys/leased-key.ts",
    find: "return options.layouts === undefined && options.requireCommitment !== true;",
    replace: "return options.layouts === undefined;",
    tests: ["test/keys/lease.test.ts", "test/keys/lease-batch.test.ts", "test/crypto/short-ways.test.ts"],
  },
  {
    file: "src/crypto/local.ts",
    find: "const isPlain = options.layouts === undefined && options.requireCommitment !== true;",
    replace: "const isPlain = options.requireCommitment !== true;",
    tests: ["test/crypto/local.test.ts", "test/crypto/short-ways.test.ts"],
  },
  {
    file: "src/crypto/local.ts",
    find: "const isPlain = options.layouts === undefined && options.requireCommitment !== true;",
    replace: "const isPlain = options.layouts === undefined;",
    tests: ["test/crypto/local.test.ts", "test/crypto/short-ways.test.ts"],
  },
  {
    file: "src/server/core/strict-json.ts",
    find: "const next = skipSpace(body, end);",
    replace: "const next = end;",
    tests: ["test/server/strict-json.test.ts"],
  },
  {
    file: "src/server/core/request.ts",
    find: "/^application\\/json",
    replace: "/application\\/json",
    tests: ["test/server/request.test.ts"],
  },
  {
    file: "src/server/core/request.ts",
    find: "/^Bearer ",
    replace: "/Bearer ",
    tests: ["test/server/request.test.ts"],
  },
  ...[">= this.#ringsMax", "=== Number.NaN"].map((replace) => ({
    file: RING_CACHE,
    find: "> this.#ringsMax)",
    replace: `${replace})`,
    tests: RING_TESTS,
  })),
  ...[">= this.#marksMax", "=== Number.NaN"].map((replace) => ({
    file: "src/keys/data-key-cache.ts",
    find: "> this.#marksMax",
    replace,
    tests: ["test/keys/data-key-cache.test.ts"],
  })),
  ...[">= BUCKETS_MAX", "=== Number.NaN"].map((replace) => ({
    file: "src/server/core/rate-limiter.ts",
    find: "> BUCKETS_MAX",
    replace,
    tests: ["test/server/rate-limiter.test.ts"],
  })),
  {
    file: "src/vault/keks/rows.ts",
    find: "if (forChange) await",
    replace: "if (false) await",
    tests: ["test/vault/postgres-locks.test.ts"],
  },
  {
    file: RING,
    find: "if (bytes === undefined)\n",
    replace: "if (false)\n",
    tests: ["test/vault/ring.test.ts"],
  },
  {
    file: "src/vault/access/api-keys.ts",
    find: "permissions.length === 0",
    replace: "false",
    tests: ["test/vault/api-keys.test.ts"],
  },
  {
    file: "src/vault/access/api-keys.ts",
    find: 'name === ""',
    replace: "false",
    tests: ["test/vault/api-keys.test.ts"],
  },
];
