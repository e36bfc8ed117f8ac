// A route on the edge runtime: POST a ciphertext, and get its text.
import { getVault } from "../vault.js";

export const runtime = "edge";

export async function POST(request) {
  return new Response(await getVault().decrypt(await request.text()));
}
