// A service on Deno with a vault in a file of its own.
//
//     deno add npm:coffer
//     deno run --allow-net --allow-env --allow-read --allow-write server.js
import { openVault } from "coffer/vault";

const vault = await openVault(Deno.env.get("VAULT") ?? "vault.db");

const server = Deno.serve(
  {
    hostname: "127.0.0.1",
    port: Number(Deno.env.get("PORT") ?? 3000),
    onListen: ({ port }) => console.log(`port ${port}`),
  },
  async (request) => {
    const body = await request.text();
    const isOpening = new URL(request.url).pathname === "/open";
    return new Response(
      isOpening ? await vault.decrypt(body) : await vault.encrypt(body, { organization_id: "org_1" }),
    );
  },
);
Deno.addSignalListener("SIGTERM", async () => {
  await server.shutdown();
  await vault.close();
});
