// An application that has other versions of what coffer was built with: it must see its own, and coffer its own.
import { readFileSync } from "node:fs";
import { gcm } from "@noble/ciphers/aes";
import { createApp } from "coffer/server";
import { openFileHost, openVault } from "coffer/vault";
import { smoke } from "./smoke.js";

const OWN = {
  zod: "3.",
  commander: "12.",
  pg: "8.11.0",
  "@noble/ciphers": "1.3.0",
  "@noble/hashes": "1.8.0",
};
for (const [name, version] of Object.entries(OWN)) {
  const manifest = JSON.parse(readFileSync(`node_modules/${name}/package.json`, "utf8"));
  if (!manifest.version.startsWith(version)) throw new Error(`${name} ${manifest.version}`);
}
if (gcm(new Uint8Array(32), new Uint8Array(12)).encrypt(new Uint8Array(1)).length !== 17)
  throw new Error("noble");

// zod checks what a server is asked.
const host = await openFileHost({ path: ":memory:", onNotice: () => {} });
const { id } = await host.environment("beside");
const { key } = await host.apiKeys.create(id, { name: "beside", permissions: ["encrypt"] });
const app = createApp({ host });
const ask = (body) =>
  app.fetch(
    new Request("http://127.0.0.1/vault/v1/keys/data-key", {
      method: "POST",
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
      body: JSON.stringify(body),
    }),
  );
const statuses = [
  (await ask({ context: { organization_id: "org_1" } })).status,
  (await ask({ context: 5 })).status,
];
if (String(statuses) !== "200,422") throw new Error(`server: ${statuses}`);
await host.close();

// pg opens the connection, which is refused.
const rootKey = Buffer.alloc(32, 1).toString("base64");
const refused = await openVault({ database: "postgres://127.0.0.1:9/none", rootKey }).catch((error) => error);
if (refused.code !== "ERR_STORAGE_UNAVAILABLE") throw refused;
console.log(await smoke());
