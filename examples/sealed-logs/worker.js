// A worker on Cloudflare's runtime that seals its log lines. Who operates the edge, the queue or the store of the logs cannot read
// them; nor can the worker. The vault can, and one tenant's shred ends that.
//
//     npm install coffer
//     npx coffer recipients create --context organization_id=org_1 --vault vault.db      (where the vault is)
//     npx coffer recipients export ID --vault vault.db                                   (the worker's variable RECIPIENT)
//     npx wrangler deploy
import { SealedEncryptor, sealedLease, tweetnacl } from "coffer/sealed";

/** One data key for the lines of ten minutes: sealing one costs more than the lines do. */
const LEASE_MS = 10 * 60 * 1000;

/** The lease of all requests, or the wait for it. */
let leasing;
let leasedAt = 0;

/** The lease, or a new one when it is old or used up. It makes no request. */
async function leaseOf(env) {
  const isOld = leasing === undefined || Date.now() - leasedAt >= LEASE_MS;
  // The one before may be in use by another request: it ends by itself.
  if (isOld || (await leasing).messagesLeft === 0) leasing = newLease(env);
  try {
    return await leasing;
  } catch (error) {
    // A document that has expired, for example: the next request tries again.
    leasing = undefined;
    throw error;
  }
}

function newLease({ RECIPIENT, SIGNER }) {
  leasedAt = Date.now();
  const signer = SIGNER || undefined;
  const encryptor = new SealedEncryptor({ recipient: RECIPIENT, signer, curves: tweetnacl });
  return sealedLease(encryptor, { maxAgeMs: 2 * LEASE_MS });
}

/** Seals a line for its log, and hands it over. */
async function log(env, line) {
  const sealed = await (await leaseOf(env)).encrypt(JSON.stringify(line), "log");
  await env.LOGS.send(sealed);
}

export default {
  async fetch(request, env, ctx) {
    const { pathname } = new URL(request.url);
    const response = new Response(`You asked for ${pathname}\n`);
    const line = {
      time: new Date().toISOString(),
      method: request.method,
      path: pathname,
      address: request.headers.get("cf-connecting-ip"),
      status: response.status,
    };
    // The answer does not wait for the log.
    ctx.waitUntil(log(env, line));
    return response;
  },
};
