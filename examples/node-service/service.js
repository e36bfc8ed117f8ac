// A service on Node with a vault in a file of its own. It gives ciphertexts out and opens them again.
//
//     npm install coffer
//     node service.js
//
//     curl -d 's3cret' http://127.0.0.1:3000/org_1/user:42           -> a ciphertext
//     curl -d "$CIPHERTEXT" http://127.0.0.1:3000/org_1/user:42/open -> s3cret
import { createServer } from "node:http";
import { text } from "node:stream/consumers";
import { isVaultError } from "coffer";
import { openVault } from "coffer/vault";

const vault = await openVault(process.env.VAULT ?? "vault.db");

const server = createServer(async (request, response) => {
  const [, tenant, user, verb] = request.url.split("/").map(decodeURIComponent);
  const context = { organization_id: tenant };
  try {
    const body = await text(request);
    // The context is checked: a ciphertext of another tenant does not open here.
    const answer =
      verb === "open"
        ? await vault.decrypt(body, user, { context })
        : await vault.encrypt(body, context, user);
    response.end(answer);
  } catch (error) {
    if (!isVaultError(error)) throw error;
    response.writeHead(400).end(error.code);
  }
});
server.listen(Number(process.env.PORT ?? 3000), "127.0.0.1", () =>
  console.log(`port ${server.address().port}`),
);

// Requests under way end first, then the vault writes what it has to.
process.once("SIGTERM", () => server.close(() => vault.close()));
