/**
 * The tables, and how they came to be: one migration per version.
 *
 * Owns the stored shape of a vault (docs/spec/keyring.md section 2). A migration that has been released is never
 * changed. Must not know how a database is opened.
 *
 * @module
 */

/** What the dialects call the types; everything else of the schema is the same. */
export interface SchemaTypes {
  /** Text that compares and sorts by its bytes. */
  readonly text: string;
  readonly bytes: string;
  /** At least 53 bits. */
  readonly integer: string;
  /** A primary key that counts up by itself. */
  readonly sequence: string;
  /** A number that is the same for all rows of one write, and filled in by the database; 0 where writes take turns. */
  readonly write: string;
}

/** The newest version. */
export const SCHEMA_VERSION = 9;

/** Statements that take a database from version index to index + 1. */
export function migrations({ text, bytes, integer, sequence, write }: SchemaTypes): readonly string[] {
  return [
    // 1: KEKs, contexts, and the KV store. Context names and values are bytes: PostgreSQL's text cannot hold NUL.
    `
  CREATE TABLE meta (
    name ${text} PRIMARY KEY,
    value ${bytes} NOT NULL
  );
  CREATE TABLE counters (
    name ${text} PRIMARY KEY,
    value ${integer} NOT NULL
  );
  INSERT INTO counters (name, value) VALUES ('keks', 0), ('revocations', 0), ('api_keys', 0);

  CREATE TABLE environments (
    id ${text} PRIMARY KEY,
    name ${text} NOT NULL UNIQUE,
    created_at ${integer} NOT NULL
  );

  CREATE TABLE keks (
    id ${text} PRIMARY KEY,
    environment_id ${text} NOT NULL REFERENCES environments (id),
    context_name ${bytes} NOT NULL,
    context_value ${bytes} NOT NULL,
    created_at ${integer} NOT NULL,
    UNIQUE (environment_id, context_name, context_value)
  );
  CREATE TABLE kek_versions (
    kek_id ${text} NOT NULL REFERENCES keks (id),
    version ${integer} NOT NULL,
    state ${text} NOT NULL CHECK (state IN ('active', 'decrypt-only', 'disabled', 'pending-destroy', 'destroyed')),
    wrapped ${bytes},
    created_at ${integer} NOT NULL,
    destroy_at ${integer},
    PRIMARY KEY (kek_id, version),
    CHECK ((wrapped IS NULL) = (state = 'destroyed')),
    CHECK ((destroy_at IS NULL) = (state <> 'pending-destroy'))
  );

  CREATE TABLE contexts (
    id ${text} PRIMARY KEY,
    environment_id ${text} NOT NULL REFERENCES environments (id),
    canonical ${bytes} NOT NULL,
    created_at ${integer} NOT NULL,
    UNIQUE (environment_id, canonical)
  );
  CREATE TABLE context_keks (
    context_id ${text} NOT NULL REFERENCES contexts (id),
    kek_id ${text} NOT NULL REFERENCES keks (id),
    PRIMARY KEY (context_id, kek_id)
  );
  CREATE INDEX context_keks_by_kek ON context_keks (kek_id);

  CREATE TABLE kv_objects (
    sequence ${sequence},
    id ${text} NOT NULL UNIQUE,
    environment_id ${text} NOT NULL REFERENCES environments (id),
    name ${text} NOT NULL,
    context_id ${text} NOT NULL REFERENCES contexts (id),
    current_version ${text} NOT NULL,
    created_at ${integer} NOT NULL,
    updated_at ${integer} NOT NULL,
    deleted_at ${integer}
  );
  CREATE UNIQUE INDEX kv_objects_live_name ON kv_objects (environment_id, name) WHERE deleted_at IS NULL;
  CREATE INDEX kv_objects_by_environment ON kv_objects (environment_id, sequence);
  CREATE INDEX kv_objects_by_context ON kv_objects (context_id);

  CREATE TABLE kv_versions (
    id ${text} PRIMARY KEY,
    object_id ${text} NOT NULL REFERENCES kv_objects (id),
    number ${integer} NOT NULL,
    key_id ${text} NOT NULL,
    key_blob ${bytes},
    sealed ${bytes},
    size ${integer} NOT NULL,
    etag ${text} NOT NULL,
    created_at ${integer} NOT NULL,
    created_by_id ${text} NOT NULL,
    created_by_name ${text} NOT NULL,
    UNIQUE (object_id, number),
    CHECK ((sealed IS NULL) = (key_blob IS NULL))
  );
  CREATE TABLE kv_version_keks (
    version_id ${text} NOT NULL REFERENCES kv_versions (id),
    kek_id ${text} NOT NULL REFERENCES keks (id),
    kek_version ${integer} NOT NULL,
    PRIMARY KEY (version_id, kek_id)
  );
  CREATE INDEX kv_version_keks_by_kek ON kv_version_keks (kek_id, kek_version);
  `,
    // 2: the service: API keys, events, webhooks, answers to retried writes.
    `
  CREATE TABLE api_keys (
    id ${text} PRIMARY KEY,
    environment_id ${text} NOT NULL REFERENCES environments (id),
    name ${text} NOT NULL,
    digest ${bytes} NOT NULL UNIQUE,
    permissions ${text} NOT NULL,
    constraints ${text} NOT NULL,
    created_at ${integer} NOT NULL,
    revoked_at ${integer}
  );
  CREATE INDEX api_keys_by_environment ON api_keys (environment_id);

  CREATE TABLE events (
    sequence ${sequence},
    id ${text} NOT NULL UNIQUE,
    environment_id ${text} NOT NULL REFERENCES environments (id),
    kind ${text} NOT NULL,
    data ${text} NOT NULL,
    created_at ${integer} NOT NULL
  );
  CREATE INDEX events_by_environment ON events (environment_id, sequence);

  CREATE TABLE webhooks (
    id ${text} PRIMARY KEY,
    environment_id ${text} NOT NULL REFERENCES environments (id),
    url ${text} NOT NULL,
    kinds ${text} NOT NULL,
    sealed_secret ${bytes} NOT NULL,
    created_at ${integer} NOT NULL,
    disabled_at ${integer}
  );
  CREATE TABLE webhook_deliveries (
    sequence ${sequence},
    webhook_id ${text} NOT NULL REFERENCES webhooks (id),
    event_id ${text} NOT NULL REFERENCES events (id),
    state ${text} NOT NULL CHECK (state IN ('pending', 'delivered', 'dead')),
    attempts ${integer} NOT NULL,
    due_at ${integer} NOT NULL,
    last_error ${text},
    UNIQUE (webhook_id, event_id)
  );
  CREATE INDEX webhook_deliveries_due ON webhook_deliveries (state, due_at);

  CREATE TABLE idempotent_answers (
    environment_id ${text} NOT NULL REFERENCES environments (id),
    idempotency_key ${text} NOT NULL,
    request_hash ${bytes} NOT NULL,
    answer ${text} NOT NULL,
    created_at ${integer} NOT NULL,
    PRIMARY KEY (environment_id, idempotency_key)
  );
  CREATE INDEX idempotent_answers_by_age ON idempotent_answers (created_at);
  `,
    // 3: events by the write that made them. Where writes run at the same time, sequences alone are no order to list by.
    `
  ALTER TABLE events ADD COLUMN write_id ${write};
  DROP INDEX events_by_environment;
  CREATE INDEX events_in_order ON events (environment_id, write_id, sequence);
  `,
    // 4: what each webhook is owed, apart from the others.
    `
  DROP INDEX webhook_deliveries_due;
  CREATE INDEX webhook_deliveries_owed ON webhook_deliveries (webhook_id, due_at, sequence) WHERE state = 'pending';
  `,
    // 5: what is under a KEK version in an order to go on in: a rewrap visits nothing else, and nothing twice.
    `
  DROP INDEX kv_version_keks_by_kek;
  CREATE INDEX kv_version_keks_by_kek ON kv_version_keks (kek_id, kek_version, version_id);
  `,
    // 6: from here on idempotency keys are stored as HMACs and answers sealed. What stood in clear goes.
    `
  DELETE FROM idempotent_answers;
  `,
    // 7: authority (docs/spec/authority.md). Rows without a MAC are of a vault that is not authenticated yet.
    `
  CREATE TABLE vault_keys (
    purpose ${text} NOT NULL,
    version ${integer} NOT NULL,
    wrapped ${bytes},
    created_at ${integer} NOT NULL,
    PRIMARY KEY (purpose, version)
  );
  CREATE TABLE authority_log (
    generation ${integer} PRIMARY KEY,
    kind ${text} NOT NULL,
    subject ${text} NOT NULL,
    at ${integer} NOT NULL,
    mac ${bytes}
  );
  ALTER TABLE environments ADD COLUMN generation ${integer} NOT NULL DEFAULT 0;
  ALTER TABLE environments ADD COLUMN mac ${bytes};
  ALTER TABLE api_keys ADD COLUMN generation ${integer} NOT NULL DEFAULT 0;
  ALTER TABLE api_keys ADD COLUMN mac ${bytes};
  ALTER TABLE webhooks ADD COLUMN generation ${integer} NOT NULL DEFAULT 0;
  ALTER TABLE webhooks ADD COLUMN mac ${bytes};
  ALTER TABLE keks ADD COLUMN generation ${integer} NOT NULL DEFAULT 0;
  ALTER TABLE keks ADD COLUMN mac ${bytes};
  ALTER TABLE kv_objects ADD COLUMN mac ${bytes};
  ALTER TABLE kv_versions ADD COLUMN generation ${integer} NOT NULL DEFAULT 0;
  ALTER TABLE kv_versions ADD COLUMN key_label ${integer} NOT NULL DEFAULT 1;
  ALTER TABLE kv_versions ADD COLUMN mac ${bytes};
  CREATE INDEX kv_versions_old ON kv_versions (id) WHERE key_label = 1;
  CREATE INDEX kv_versions_by_old_key ON kv_versions (key_id) WHERE key_label = 1;
  ALTER TABLE events ADD COLUMN generation ${integer} NOT NULL DEFAULT 0;
  ALTER TABLE events ADD COLUMN mac ${bytes};
  `,
    // 8: recipients of sealed data keys (docs/spec/sealed-data-key.md). A private key is wrapped as a data key is.
    `
  CREATE TABLE recipients (
    id ${text} PRIMARY KEY,
    environment_id ${text} NOT NULL REFERENCES environments (id),
    canonical ${bytes} NOT NULL,
    suite ${text} NOT NULL,
    created_at ${integer} NOT NULL,
    generation ${integer} NOT NULL DEFAULT 0,
    mac ${bytes}
  );
  CREATE INDEX recipients_by_environment ON recipients (environment_id, id);
  CREATE TABLE recipient_versions (
    recipient_id ${text} NOT NULL REFERENCES recipients (id),
    version ${integer} NOT NULL,
    state ${text} NOT NULL CHECK (state IN ('active', 'decrypt-only', 'disabled', 'destroyed')),
    public_key ${bytes} NOT NULL,
    wrapped ${bytes},
    created_at ${integer} NOT NULL,
    PRIMARY KEY (recipient_id, version),
    CHECK ((wrapped IS NULL) = (state = 'destroyed'))
  );
  `,
    // 9: senders of recipients (docs/spec/sealed-data-key.md section 9).
    `
  ALTER TABLE recipients ADD COLUMN requires_sender ${integer} NOT NULL DEFAULT 0;
  CREATE TABLE senders (
    id ${text} PRIMARY KEY,
    recipient_id ${text} NOT NULL REFERENCES recipients (id),
    name ${text} NOT NULL,
    public_key ${bytes} NOT NULL,
    created_at ${integer} NOT NULL,
    expires_at ${integer},
    revoked_at ${integer},
    generation ${integer} NOT NULL DEFAULT 0,
    mac ${bytes}
  );
  CREATE INDEX senders_by_recipient ON senders (recipient_id, id);
  `,
  ];
}
