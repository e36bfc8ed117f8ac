/**
 * A validator for the part of JSON Schema (draft 2020-12) that the server's document uses.
 *
 * Owns the meaning of these keywords, independently of the library that writes them. An unknown keyword is an error: it
 * would not be checked.
 *
 * @module
 */

export type JsonSchema = Readonly<Record<string, unknown>>;

/** What is known and says nothing about values. */
const ANNOTATIONS = new Set(["description", "title", "default", "examples"]);

/** Where a value is not as a schema says; empty if it is. */
export function violations(schema: JsonSchema, value: unknown, root: JsonSchema, at = "$"): string[] {
  const out: string[] = [];
  const check = (ok: boolean, what: string): void => {
    if (!ok) out.push(`${at}: ${what}`);
  };
  for (const [keyword, is] of Object.entries(schema)) {
    switch (keyword) {
      case "$ref":
        out.push(...violations(resolve(root, is as string), value, root, at));
        break;
      case "type":
        check(
          [is].flat().some((type) => isType(value, type as string)),
          `not ${is}`,
        );
        break;
      case "const":
        check(value === is, `not ${is}`);
        break;
      case "enum":
        check((is as unknown[]).includes(value), `not one of ${is}`);
        break;
      case "anyOf":
        check(
          (is as JsonSchema[]).some((one) => violations(one, value, root, at).length === 0),
          "none of several",
        );
        break;
      case "minimum":
        check(typeof value !== "number" || value >= (is as number), `below ${is}`);
        break;
      case "maximum":
        check(typeof value !== "number" || value <= (is as number), `above ${is}`);
        break;
      case "minItems":
        check(!Array.isArray(value) || value.length >= (is as number), `fewer than ${is}`);
        break;
      case "maxItems":
        check(!Array.isArray(value) || value.length <= (is as number), `more than ${is}`);
        break;
      case "maxLength":
        check(typeof value !== "string" || value.length <= (is as number), `longer than ${is}`);
        break;
      case "required":
        for (const name of is as string[])
          check(isType(value, "object") && Object.hasOwn(value as object, name), `no ${name}`);
        break;
      case "items":
        if (Array.isArray(value)) {
          for (const [i, item] of value.entries())
            out.push(...violations(is as JsonSchema, item, root, `${at}[${i}]`));
        }
        break;
      case "properties":
      case "additionalProperties":
      case "propertyNames":
        break; // Below, together.
      default:
        check(ANNOTATIONS.has(keyword), `the keyword ${keyword} is not known`);
    }
  }
  if (isType(value, "object")) out.push(...membersOf(schema, value as Record<string, unknown>, root, at));
  return out;
}

function membersOf(
  schema: JsonSchema,
  value: Record<string, unknown>,
  root: JsonSchema,
  at: string,
): string[] {
  const properties = (schema.properties ?? {}) as Record<string, JsonSchema>;
  const others = schema.additionalProperties as JsonSchema | boolean | undefined;
  const out: string[] = [];
  for (const [name, member] of Object.entries(value)) {
    const where = `${at}.${name}`;
    if (schema.propertyNames !== undefined)
      out.push(...violations(schema.propertyNames as JsonSchema, name, root, where));
    if (Object.hasOwn(properties, name)) out.push(...violations(properties[name]!, member, root, where));
    else if (others === false) out.push(`${where}: not in the schema`);
    else if (typeof others === "object") out.push(...violations(others, member, root, where));
  }
  return out;
}

/** What a local reference points to (RFC 6901). */
export function resolve(root: JsonSchema, reference: string): JsonSchema {
  let at: unknown = root;
  for (const part of reference.replace(/^#\//, "").split("/")) {
    at = (at as Record<string, unknown> | undefined)?.[part.replaceAll("~1", "/").replaceAll("~0", "~")];
  }
  if (at === undefined) throw new Error(`${reference} leads nowhere`);
  return at as JsonSchema;
}

function isType(value: unknown, type: string): boolean {
  if (type === "null") return value === null;
  if (type === "array") return Array.isArray(value);
  if (type === "integer") return Number.isInteger(value);
  if (type === "object") return typeof value === "object" && value !== null && !Array.isArray(value);
  return typeof value === type;
}
