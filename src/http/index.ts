/**
 * `coffer/http`: the ports over HTTP. Applications write `new Vault({ apiKey, baseUrl })` instead.
 *
 * @module
 */
export { type FetchSourceOptions, fetchSource } from "./fetch-source.ts";
export { HttpKekService } from "./http-kek-service.ts";
export { HttpKeyService } from "./http-key-service.ts";
export { HttpKvService } from "./http-kv-service.ts";
export { HttpRecipientService } from "./http-recipient-service.ts";
export { type HttpOptions, Transport } from "./transport.ts";
