import { Vault } from "coffer";

/** Made at the first request: a build has no API key. */
let vault;
export const getVault = () => {
  vault ??= new Vault({ apiKey: process.env.COFFER_API_KEY, baseUrl: process.env.COFFER_BASE_URL });
  return vault;
};
