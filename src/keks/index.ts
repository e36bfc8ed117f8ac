/**
 * `coffer/keks`: the KekService port, its shapes and its listing.
 *
 * @module
 */
export {
  type Erasure,
  type KekInfo,
  KekListing,
  type KekListRequest,
  type KekPage,
  type KekSelector,
  type KekService,
  type KekState,
  type KekVersionInfo,
  type KekVersionSelector,
  type ShredOptions,
  type ShredReport,
} from "./kek-service.ts";
export { KEKS_PAGE_DEFAULT, KEKS_PAGE_MAX, RECIPIENT_AGE_MS_DEFAULT, SHRED_DELAY_MS_MAX } from "./limits.ts";
export type {
  CreateRecipientRequest,
  RecipientDocumentOptions,
  RecipientInfo,
  RecipientListing,
  RecipientPage,
  RecipientSelector,
  RecipientService,
  RecipientState,
  RecipientVersionInfo,
  RequireSenderRequest,
} from "./recipient-service.ts";
export type {
  AddSenderRequest,
  RenewSenderRequest,
  SenderInfo,
  SenderListing,
  SenderListRequest,
  SenderPage,
  SenderSelector,
  SenderService,
} from "./sender-service.ts";
