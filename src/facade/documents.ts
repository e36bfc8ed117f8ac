/**
 * The calls of a Vault that take JSON values and objects instead of texts.
 *
 * Owns the step from values to the texts that messages and the store take. Must not know how a message is encrypted or
 * where it is stored.
 *
 * @module
 */

import { resultValue } from "../base/item-result.ts";
import { checkSchema, fromJsonText, type StandardSchema, throughSchema, toJsonText } from "../base/json.ts";
import { checkOptions, optionNames } from "../base/options.ts";
import type { AssociatedData } from "../crypto/associated-data.ts";
import type { KeyContext } from "../crypto/keys/key-context.ts";
import { CALL_OPTIONS, type CallOptions } from "../keys/key-service.ts";
import { type PutKvRequest, type PutKvResult, putByName } from "../kv/by-name.ts";
import type { KvObjectWithoutValue, KvService } from "../kv/kv-service.ts";
import type { PortCalls } from "./calls.ts";
import {
  type FieldPath,
  fieldCiphertext,
  fieldText,
  fieldValue,
  findFields,
  type MissingFields,
  withFields,
} from "./fields.ts";
import type { VaultMessages } from "./messages.ts";
import { DECRYPT_OPTIONS, type DecryptOptions, ENCRYPT_OPTIONS, type EncryptOptions } from "./options.ts";
import { VaultStore } from "./store.ts";

/** What is read as JSON must fit this. */
export interface SchemaOption<Output> {
  /** A Standard Schema (Zod, Valibot, ArkType and others): checks the value, and may change it. */
  readonly schema?: StandardSchema<Output> | undefined;
}

/** What `decryptJson` takes. */
export interface DecryptJsonOptions<Output> extends Omit<DecryptOptions, "as">, SchemaOption<Output> {}

/** Which stored JSON value is read: by name, or by id. */
export type GetKvJsonRequest =
  | { readonly name: string; readonly id?: undefined }
  | { readonly id: string; readonly versionId?: string | undefined; readonly name?: undefined };

/** A stored object with its JSON value. */
export interface KvJsonObject<T> extends KvObjectWithoutValue {
  readonly value: T;
}

/** What a field is bound to, and what becomes of one that is missing. */
export interface FieldsOptions {
  /** Authenticated with every field besides its path; not stored. */
  readonly associatedData?: AssociatedData;
  /** What becomes of a path at which nothing stands, or undefined: default `"refuse"`. */
  readonly missing?: MissingFields | undefined;
}

/** What `encryptFields` takes. */
export interface EncryptFieldsOptions extends EncryptOptions, FieldsOptions {}

/** What `decryptFields` takes. */
export interface DecryptFieldsOptions extends Omit<DecryptOptions, "as">, FieldsOptions {}

const SCHEMA_NAMES = /* @__PURE__ */ optionNames<SchemaOption<unknown>>({ schema: true });
const FIELDS_NAMES = /* @__PURE__ */ optionNames<FieldsOptions>({ associatedData: true, missing: true });
/** Text is what JSON is made of. */
const DECRYPT_TEXT_OPTIONS = [...DECRYPT_OPTIONS].filter((name) => name !== "as");
const DECRYPT_JSON_OPTIONS = new Set([...DECRYPT_TEXT_OPTIONS, ...SCHEMA_NAMES]);
const ENCRYPT_FIELDS_OPTIONS = new Set([...ENCRYPT_OPTIONS, ...FIELDS_NAMES]);
const DECRYPT_FIELDS_OPTIONS = new Set([...DECRYPT_TEXT_OPTIONS, ...FIELDS_NAMES]);
const GET_KV_JSON_OPTIONS = new Set([...CALL_OPTIONS, ...SCHEMA_NAMES]);

/** What a {@link Vault} does with values. */
export class VaultDocuments extends VaultStore {
  readonly #store: PortCalls<KvService>;
  readonly #messages: VaultMessages;

  constructor(store: PortCalls<KvService>, messages: VaultMessages) {
    super(store);
    this.#store = store;
    this.#messages = messages;
  }

  /**
   * Encrypts a value as JSON.
   *
   * @param value - what `JSON.stringify` can write, at most 64 MiB as text
   * @param keyContext - as for `encrypt`
   * @param associatedData - as for `encrypt`
   * @returns the ciphertext of the JSON text: `decrypt` opens it too
   * @throws TypeError ERR_INVALID_ARGUMENT for what is no JSON (undefined, a function, a bigint, a circle); as `encrypt`
   */
  async encryptJson(
    value: unknown,
    keyContext: KeyContext,
    associatedData?: AssociatedData,
    options?: EncryptOptions,
  ): Promise<string> {
    return await this.#messages.encrypt(toJsonText(value), keyContext, associatedData, options);
  }

  /**
   * Decrypts a JSON value.
   *
   * @param associatedData - exactly what was given to encrypt
   * @param options.schema - a Standard Schema that the value must fit; what it answers is returned, with its type
   * @throws TypeError ERR_INVALID_ARGUMENT; VaultError ERR_JSON_INVALID if what was decrypted is not JSON or does not fit the
   *   schema, told without the value; as `decrypt`
   */
  async decryptJson<Output = unknown>(
    ciphertext: string,
    associatedData?: AssociatedData,
    options: DecryptJsonOptions<Output> = {},
  ): Promise<Output> {
    checkOptions(options, DECRYPT_JSON_OPTIONS, "decryptJson");
    const { schema, ...decryptOptions } = options;
    checkSchema(schema);
    const text = await this.#messages.decrypt(ciphertext, associatedData, decryptOptions);
    return throughSchema(schema, fromJsonText(text as string));
  }

  /**
   * Encrypts some fields of an object, each bound to its path (docs/spec/fields.md). All share one data key.
   *
   * @param object - stays as it is; inherited properties are not seen
   * @param paths - `"email"`, `"address.street"`, `"phones.0"`, or lists of segments where a name holds a `.`. At each must
   *   be text, a finite number, a boolean or null; it is encrypted as JSON, so that it comes back with its type
   * @param keyContext - as for `encrypt`
   * @param options.associatedData - authenticated with every field besides its path: the row's id, for example
   * @param options.missing - what becomes of a path at which nothing stands, or undefined: `"refuse"` (default) or `"skip"`
   * @returns a copy with ciphertexts in these fields. It has the object's type, though numbers are texts until decrypted
   * @throws TypeError or RangeError ERR_INVALID_ARGUMENT for a wrong, repeated or missing path or another value (before any
   *   request); as `encrypt`, and then nothing is returned
   */
  async encryptFields<T extends object>(
    object: T,
    paths: readonly FieldPath[],
    keyContext: KeyContext,
    options: EncryptFieldsOptions = {},
  ): Promise<T> {
    checkOptions(options, ENCRYPT_FIELDS_OPTIONS, "encryptFields");
    const { associatedData, missing, ...encryptOptions } = options;
    const fields = findFields(object, paths, associatedData, missing);
    // Now, before the first wait: the caller may change the object afterwards.
    const items = fields.map((field) => ({
      data: fieldText(field),
      associatedData: field.associatedData,
    }));
    const copy = withFields(object, fields, []);
    const results = await this.#messages.encryptMany(items, keyContext, undefined, encryptOptions);
    return withFields(copy, fields, results.map(resultValue));
  }

  /**
   * Decrypts fields that `encryptFields` has encrypted.
   *
   * @param object - stays as it is
   * @param paths - those of the encrypted fields; each must hold a ciphertext
   * @param options.associatedData - exactly what was given to encrypt
   * @param options.missing - as for `encryptFields`
   * @returns a copy with the values in these fields
   * @throws TypeError or RangeError ERR_INVALID_ARGUMENT for a wrong, repeated or missing path or what is no text there;
   *   VaultError ERR_DECRYPT_FAILED also for a ciphertext of another path; ERR_JSON_INVALID; as `decrypt`, and then nothing
   *   is returned
   */
  async decryptFields<T extends object>(
    object: T,
    paths: readonly FieldPath[],
    options: DecryptFieldsOptions = {},
  ): Promise<T> {
    checkOptions(options, DECRYPT_FIELDS_OPTIONS, "decryptFields");
    const { associatedData, missing, ...decryptOptions } = options;
    const fields = findFields(object, paths, associatedData, missing);
    const items = fields.map((field) => ({
      ciphertext: fieldCiphertext(field),
      associatedData: field.associatedData,
    }));
    const copy = withFields(object, fields, []);
    const results = await this.#messages.decryptMany(items, undefined, decryptOptions);
    return withFields(
      copy,
      fields,
      results.map((result) => fieldValue(resultValue(result) as string)),
    );
  }

  /**
   * Stores a value as JSON, by name.
   *
   * @param request.value - what `JSON.stringify` can write, at most 64 KiB as text; the rest as for `putKv`
   * @throws TypeError ERR_INVALID_ARGUMENT for what is no JSON; as `putKv`
   */
  putKvJson(
    request: Omit<PutKvRequest, "value"> & { readonly value: unknown },
    options: CallOptions = {},
  ): Promise<PutKvResult> {
    return this.#store.run("putKvJson", CALL_OPTIONS, options, async (kv, call) =>
      putByName(kv, { ...request, value: toJsonText(request.value) }, call),
    );
  }

  /**
   * Reads a stored JSON value, by name or by id.
   *
   * @param options.schema - a Standard Schema that the value must fit; what it answers is returned, with its type
   * @throws TypeError ERR_INVALID_ARGUMENT; VaultError ERR_JSON_INVALID as `decryptJson`; as `getKv`
   */
  async getKvJson<Output = unknown>(
    request: GetKvJsonRequest,
    options: CallOptions & SchemaOption<Output> = {},
  ): Promise<KvJsonObject<Output>> {
    checkOptions(options, GET_KV_JSON_OPTIONS, "getKvJson");
    const { schema, ...callOptions } = options;
    checkSchema(schema);
    const object = await this.#store.run("getKvJson", CALL_OPTIONS, callOptions, (kv, call) =>
      request.name === undefined ? kv.getKv(request, call) : kv.getName(request, call),
    );
    return { ...object, value: await throughSchema(schema, fromJsonText(object.value)) };
  }
}
