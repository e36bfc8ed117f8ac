// The job where the vault is: absorbs what came in and reads it.
//
// To absorb is to put the data key of a sealed message under the tenant's KEKs, like that of every other ciphertext. The recipient's
// private key is then needed no more for it, and can be rotated and shredded.
import { readdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { inspect, isVaultError } from "coffer";
import { openVault } from "coffer/vault";

const { VAULT = "vault.db", INBOX = "inbox" } = process.env;
const CONTEXT = { organization_id: "org_1" };
const SEALED_FIELDS = ["name", "email", "message"];

const vault = await openVault(VAULT);
for (const file of (await readdir(INBOX)).filter((name) => name.endsWith(".json")).sort()) {
  const path = join(INBOX, file);
  const stored = JSON.parse(await readFile(path, "utf8"));
  try {
    const message = await absorb(stored, path);
    // The context is checked: a message for another tenant does not open here. So is the id, which each field is bound to.
    const options = { associatedData: stored.id, context: CONTEXT };
    const { name, email, message: body } = await vault.decryptFields(message, SEALED_FIELDS, options);
    console.log(`${stored.id}: ${JSON.stringify({ topic: stored.topic, name, email, message: body })}`);
  } catch (error) {
    // Anybody can send anything: one message that does not open holds up no other.
    if (!isVaultError(error)) throw error;
    console.log(`${stored.id}: ${error.code}`);
  }
}
await vault.close();

/** The message with its data key under the tenant's KEKs. It is written beside its place and then put there, whole. */
async function absorb(stored, path) {
  if (SEALED_FIELDS.every((name) => inspect(stored[name]).keyBlob.format !== "sealed")) return stored;
  const results = await vault.rewrapMany(SEALED_FIELDS.map((name) => stored[name]));
  const failed = results.find(({ ok }) => !ok);
  if (failed !== undefined) throw failed.error;
  const absorbed = { ...stored };
  SEALED_FIELDS.forEach((name, i) => {
    absorbed[name] = results[i].value;
  });
  await writeFile(`${path}.new`, JSON.stringify(absorbed));
  await rename(`${path}.new`, path);
  return absorbed;
}
