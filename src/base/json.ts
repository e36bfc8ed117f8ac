/**
 * JSON values as text, and back through a schema.
 *
 * Owns the two steps and their errors, which never tell the value; and the shape of a Standard Schema
 * (https://standardschema.dev, version 1), declared here so that no schema library is needed. Must not know what the text
 * is for.
 *
 * @module
 */

import { invalidType, VaultError } from "../errors.ts";
import { typeName } from "./bytes.ts";

/** What a schema says of a value. */
export type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly unknown[] };

/** A schema of any library that follows Standard Schema, such as Zod, Valibot or ArkType. */
export interface StandardSchema<Output = unknown> {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>;
  };
}

/**
 * A value as JSON text.
 *
 * @throws TypeError ERR_INVALID_ARGUMENT for what is no JSON: undefined, a function, a symbol, a bigint, a circle, or an
 *   object whose `toJSON` throws. It has no cause, which could tell of the value.
 */
export function toJsonText(value: unknown): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch {}
  if (text === undefined) throw invalidType(`value cannot be written as JSON, got ${typeName(value)}`);
  return text;
}

/** The value of a JSON text. @throws VaultError ERR_JSON_INVALID, without a cause: it could tell of the text */
export function fromJsonText(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new VaultError("ERR_JSON_INVALID", "what was decrypted is not JSON");
  }
}

/** Checks that something is a schema. @throws TypeError ERR_INVALID_ARGUMENT */
export function checkSchema<Output>(
  schema: StandardSchema<Output> | undefined,
): StandardSchema<Output> | undefined {
  if (schema === undefined) return undefined;
  // Schemas are objects or, with ArkType, functions.
  const given = schema as Partial<StandardSchema> | null;
  if (typeof given?.["~standard"]?.validate !== "function") {
    throw invalidType('schema must be a Standard Schema: an object with "~standard"');
  }
  return schema;
}

/**
 * What a schema makes of a value.
 *
 * @throws VaultError ERR_JSON_INVALID if the value does not fit, or the schema throws. It has no cause, and says nothing of
 *   the issues but their number: they could tell of the value.
 */
export async function throughSchema<Output>(
  schema: StandardSchema<Output> | undefined,
  value: unknown,
): Promise<Output> {
  if (schema === undefined) return value as Output;
  let result: SchemaResult<Output>;
  try {
    result = await schema["~standard"].validate(value);
  } catch {
    throw new VaultError("ERR_JSON_INVALID", "the schema threw an error instead of an answer");
  }
  if (result.issues === undefined) return result.value;
  throw new VaultError(
    "ERR_JSON_INVALID",
    `the value does not fit the schema: ${result.issues.length} issues`,
  );
}
