/**
 * `coffer/workos`: `workos.vault` of `@workos-inc/node` over a coffer Vault, so that code written for the SDK needs
 * another import and no other change.
 *
 * @module
 */
export { AutoPaginatable } from "./auto-paginatable.ts";
export { WorkOS, type WorkOSOptions } from "./client.ts";
export type * from "./events.ts";
export {
  BadRequestException,
  ConflictException,
  GenericServerException,
  NoApiKeyProvidedException,
  NotFoundException,
  OauthException,
  RateLimitExceededException,
  type RequestException,
  SignatureVerificationException,
  UnauthorizedException,
  UnprocessableEntityException,
} from "./exceptions.ts";
export type * from "./types.ts";
export { WorkOSVault } from "./vault.ts";
export { type WebhookCheck, type WebhookPayload, Webhooks } from "./webhooks.ts";
