/**
 * Operations: what the API can be asked, as data.
 *
 * Owns the shape of an operation. Router, validation, authorisation, metrics and OpenAPI are all made from the same list,
 * so that none of them can say something else than the others. Must not know which operations there are.
 *
 * @module
 */
import type { z } from "zod";
import type { Permission } from "../../vault/access/api-keys.ts";
import type { Idempotency } from "../../vault/access/idempotency.ts";
import type { Caller, VaultHost } from "../../vault/host.ts";

/** A call that has been authenticated, authorised and validated. */
export interface Call<Path = unknown, Query = unknown, Body = unknown> extends Caller {
  readonly path: Path;
  readonly query: Query;
  readonly body: Body;
  readonly host: VaultHost;
  readonly signal: AbortSignal;
  /** By which a repetition is known; undefined without an Idempotency-Key, and where none is honoured. */
  readonly idempotency: Idempotency | undefined;
}

/** An operation of the API. */
export interface Operation {
  readonly id: string;
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  /** With `{name}` for path parameters, as OpenAPI writes it. */
  readonly path: string;
  readonly summary: string;
  /** All that the API key must be allowed. */
  readonly permissions: readonly Permission[];
  /** Who is allowed this may call it as well; the vault then does a part of it only. */
  readonly instead?: Permission;
  readonly pathSchema?: z.ZodObject;
  readonly querySchema?: z.ZodObject;
  readonly bodySchema?: z.ZodType;
  /** Bytes of the largest body; default {@link BODY_BYTES_SMALL_MAX}. */
  readonly bodyBytesMax?: number;
  readonly answerSchema: z.ZodType;
  readonly status: 200 | 201;
  /** The body holds a wrapped key: errors must not tell unknown, foreign and altered apart. */
  readonly isKeyBlobCall?: boolean;
  /** A list: empty parameters of its query count as absent. */
  readonly isList?: boolean;
  /** An Idempotency-Key is honoured: a repeated request gets the first one's answer. */
  readonly isIdempotent?: boolean;
  run(call: Call): Promise<unknown>;
}

/** An operation that needs no API key. Its answer is cacheable, and pages of other origins may read it. */
export interface PublicOperation
  extends Pick<Operation, "id" | "path" | "summary" | "answerSchema" | "status"> {
  readonly method: "GET";
  readonly pathSchema: z.ZodObject;
  run(call: { readonly path: Readonly<Record<string, string>>; readonly host: VaultHost }): Promise<unknown>;
}

type Out<Schema> = Schema extends z.ZodType ? z.output<Schema> : undefined;

/**
 * Declares an operation with the types of its schemas.
 *
 * @param definition.route - method and path
 * @param definition.status - default 200
 */
export function operation<
  Path extends z.ZodObject | undefined = undefined,
  Query extends z.ZodObject | undefined = undefined,
  Body extends z.ZodType | undefined = undefined,
>(
  definition: Omit<
    Operation,
    "run" | "pathSchema" | "querySchema" | "bodySchema" | "method" | "path" | "status"
  > & {
    readonly route: `${Operation["method"]} /${string}`;
    readonly status?: Operation["status"];
    readonly pathSchema?: Path;
    readonly querySchema?: Query;
    readonly bodySchema?: Body;
    run(call: Call<Out<Path>, Out<Query>, Out<Body>>): Promise<unknown>;
  },
): Operation {
  const { route, status = 200, ...rest } = definition;
  const [method, path] = route.split(" ");
  return { ...rest, method, path, status } as unknown as Operation;
}
