/**
 * The calls of a Vault that take JSON values and objects instead of texts.
 *
 * Owns the step from values to the texts that messages and the store take. Must not know how a message is encrypted or
 * where it is stored.
 *
 * @module
 */

import { checkSchema, fromJsonText, type StandardSchema, throughSchema, toJsonText } from "../base/json.ts";
import { checkOptions, optionNames } from "../base/options.ts";
import type { AssociatedData } from "../crypto/associated-data.ts";
import type { KeyContext } from "../crypto/keys/key-context.ts";
import { CALL_OPTIONS, type CallOptions } from "../keys/key-service.ts";
import { type PutKvRequest, type PutKvResult, putByName } from "../kv/by-name.ts";
import type { KvObjectWithoutValue, KvService } from "../kv/kv-service.ts";
import type { VaultCalls } from "./calls.ts";
import type { VaultMessages } from "./messages.ts";
import { DECRYPT_OPTIONS, type DecryptOptions, type EncryptOptions } from "./options.ts";
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

const SCHEMA_NAMES = optionNames<SchemaOption<unknown>>({ schema: true });
const DECRYPT_JSON_OPTIONS = new Set([...DECRYPT_OPTIONS, ...SCHEMA_NAMES].filter((name) => name !== "as"));
const GET_KV_JSON_OPTIONS = new Set([...CALL_OPTIONS, ...SCHEMA_NAMES]);

/** What a {@link Vault} does with values. */
export class VaultDocuments extends VaultStore {
  readonly #kv: KvService;
  readonly #calls: VaultCalls;
  readonly #messages: VaultMessages;

  constructor(kv: KvService, calls: VaultCalls, messages: VaultMessages) {
    super(kv, calls);
    this.#kv = kv;
    this.#calls = calls;
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
    const value = fromJsonText(text as string);
    return schema === undefined ? (value as Output) : await throughSchema(schema, value);
  }

  /**
   * Stores a value as JSON, by name.
   *
   * @param request.value - what `JSON.stringify` can write, at most 64 KiB as text; the rest as for `putKv`
   * @throws TypeError ERR_INVALID_ARGUMENT for what is no JSON; as `putKv`
   */
  async putKvJson(
    request: Omit<PutKvRequest, "value"> & { readonly value: unknown },
    options: CallOptions = {},
  ): Promise<PutKvResult> {
    checkOptions(options, CALL_OPTIONS, "putKvJson");
    return await this.#calls.during(() =>
      putByName(this.#kv, { ...request, value: toJsonText(request.value) }, options),
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
    const object = await this.#calls.during(() =>
      request.name === undefined
        ? this.#kv.getKv(request, callOptions)
        : this.#kv.getName(request, callOptions),
    );
    const value = fromJsonText(object.value);
    return {
      ...object,
      value: schema === undefined ? (value as Output) : await throughSchema(schema, value),
    };
  }
}
