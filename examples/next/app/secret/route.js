// A route on Node: POST a text, and get its ciphertext.
import { getVault } from "../vault.js";

export const dynamic = "force-dynamic";

export async function POST(request) {
  return new Response(await getVault().encrypt(await request.text(), { organization_id: "org_1" }));
}
