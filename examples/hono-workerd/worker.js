// A worker on Cloudflare's runtime, with hono. The vault is a coffer server, or hosted WorkOS.
//
//     npm install coffer hono
//     npx wrangler secret put COFFER_API_KEY
//     npx wrangler deploy
import { Vault } from "coffer";
import { Hono } from "hono";

const app = new Hono();

/** One vault for the life of the worker: it caches what it unwrapped a moment ago. */
let vault;
const vaultOf = ({ COFFER_API_KEY, COFFER_BASE_URL }) => {
  vault ??= new Vault({ apiKey: COFFER_API_KEY, baseUrl: COFFER_BASE_URL });
  return vault;
};

app.post("/:tenant", async (c) =>
  c.text(await vaultOf(c.env).encrypt(await c.req.text(), { organization_id: c.req.param("tenant") })),
);
app.post("/:tenant/open", async (c) =>
  c.text(
    await vaultOf(c.env).decrypt(await c.req.text(), undefined, {
      context: { organization_id: c.req.param("tenant") },
    }),
  ),
);

export default app;
