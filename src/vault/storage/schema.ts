/**
 * The tables, and how they came to be: one migration per version.
 *
 * Owns the stored shape of a vault (docs/spec/keyring.md section 2). A migration that has been released is never
 * changed. Must not know how a database is opened.
 *
 * @module
 */

/** Statements that take a database from version index to index + 1. */
export const MIGRATIONS: readonly string[] = [
  // 1: the first.
  `
  CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
  );
  CREATE TABLE counters (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
  );
  INSERT INTO counters (name, value) VALUES ('keks', 0), ('revocations', 0);

  CREATE TABLE environments (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL
  );

  CREATE TABLE keks (
    id TEXT PRIMARY KEY,
    environment_id TEXT NOT NULL REFERENCES environments (id),
    context_name TEXT NOT NULL,
    context_value TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (environment_id, context_name, context_value)
  );
  CREATE TABLE kek_versions (
    kek_id TEXT NOT NULL REFERENCES keks (id),
    version INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('active', 'decrypt-only', 'disabled', 'pending-destroy', 'destroyed')),
    wrapped BLOB,
    created_at INTEGER NOT NULL,
    destroy_at INTEGER,
    PRIMARY KEY (kek_id, version),
    CHECK ((wrapped IS NULL) = (state = 'destroyed')),
    CHECK ((destroy_at IS NULL) = (state <> 'pending-destroy'))
  );

  CREATE TABLE contexts (
    id TEXT PRIMARY KEY,
    environment_id TEXT NOT NULL REFERENCES environments (id),
    canonical BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (environment_id, canonical)
  );
  CREATE TABLE context_keks (
    context_id TEXT NOT NULL REFERENCES contexts (id),
    kek_id TEXT NOT NULL REFERENCES keks (id),
    PRIMARY KEY (context_id, kek_id)
  );
  CREATE INDEX context_keks_by_kek ON context_keks (kek_id);

  CREATE TABLE kv_objects (
    sequence INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    environment_id TEXT NOT NULL REFERENCES environments (id),
    name TEXT NOT NULL,
    context_id TEXT NOT NULL REFERENCES contexts (id),
    current_version TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    deleted_at INTEGER
  );
  CREATE UNIQUE INDEX kv_objects_live_name ON kv_objects (environment_id, name) WHERE deleted_at IS NULL;
  CREATE INDEX kv_objects_by_environment ON kv_objects (environment_id, sequence);
  CREATE INDEX kv_objects_by_context ON kv_objects (context_id);

  CREATE TABLE kv_versions (
    id TEXT PRIMARY KEY,
    object_id TEXT NOT NULL REFERENCES kv_objects (id),
    number INTEGER NOT NULL,
    key_id TEXT NOT NULL,
    key_blob BLOB,
    sealed BLOB,
    size INTEGER NOT NULL,
    etag TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    created_by_id TEXT NOT NULL,
    created_by_name TEXT NOT NULL,
    UNIQUE (object_id, number),
    CHECK ((sealed IS NULL) = (key_blob IS NULL))
  );
  CREATE TABLE kv_version_keks (
    version_id TEXT NOT NULL REFERENCES kv_versions (id),
    kek_id TEXT NOT NULL REFERENCES keks (id),
    kek_version INTEGER NOT NULL,
    PRIMARY KEY (version_id, kek_id)
  );
  CREATE INDEX kv_version_keks_by_kek ON kv_version_keks (kek_id, kek_version);
  `,
];
