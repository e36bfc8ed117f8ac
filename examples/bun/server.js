// A service on Bun with a vault in a file of its own.
//
//     bun add coffer
//     bun server.js
import { openVault } from "coffer/vault";

const vault = await openVault(process.env.VAULT ?? "vault.db");

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: Number(process.env.PORT ?? 3000),
  async fetch(request) {
    const body = await request.text();
    const isOpening = new URL(request.url).pathname === "/open";
    return new Response(
      isOpening ? await vault.decrypt(body) : await vault.encrypt(body, { organization_id: "org_1" }),
    );
  },
});
console.log(`port ${server.port}`);
process.once("SIGTERM", async () => {
  await server.stop();
  await vault.close();
});
