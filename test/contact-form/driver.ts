/**
 * What is done with the contact form in a browser: its page, used as a person uses it, and everything that could be tried with what the
 * page has to read what it has sent.
 *
 * Owns the steps, the attempts and what must come of each. Runs in the page, under the page's policy; tells the server how it ended.
 *
 * @module
 */
import { decodeBase64 } from "../../src/base/base64.ts";
import { ciphersOf } from "../../src/crypto/ciphers/of-call.ts";
import { localDecrypt } from "../../src/crypto/index.ts";
import { decodeSealedKeyBlob } from "../../src/crypto/keys/sealed-key-blob.ts";
import type { RecipientDocument } from "../../src/crypto/sealed/recipient-document.ts";
import { openSealedDataKey } from "../../src/crypto/sealed/sealed-data-key.ts";
import { sealedTools } from "../../src/crypto/sealed/tools.ts";
import { inspect } from "../../src/index.ts";
import { SealedEncryptor, sealedLease, tweetnacl } from "../../src/sealed/index.ts";
import { noble } from "../../src/sync.ts";

/** For the page to answer a step; ours. */
const WAIT_MS = 20_000;
const STEP_MS = 20;
const KEY_BYTES = 32;
/** What a vault's server does with keys. */
const KEY_PATHS = [
  "/vault/v1/keys/decrypt",
  "/vault/v1/keys/rekey",
  "/coffer/v1/keys/decrypts",
  "/coffer/v1/keys/rewraps",
  "/coffer/v1/keys/rekeys",
];
const TOOLS = sealedTools(ciphersOf(noble), tweetnacl);

interface PageElement {
  value: string;
  readonly textContent: string;
  readonly title: string;
  requestSubmit(): void;
}

declare const document: {
  getElementById(id: string): PageElement | null;
  querySelectorAll(selector: string): Iterable<PageElement>;
};
declare const location: { readonly pathname: string };

const get = (id: string): PageElement => document.getElementById(id)!;

async function until(what: string, isSo: () => boolean): Promise<void> {
  for (let waited = 0; waited < WAIT_MS; waited += STEP_MS) {
    if (isSo()) return;
    await new Promise((resolve) => setTimeout(resolve, STEP_MS));
  }
  throw new Error(`${what}: ${get("status").textContent} ${get("whom").textContent}`);
}

/** Fills the form, sends it, and answers the ciphertexts that the page shows. */
async function send(name: string): Promise<string[]> {
  get("name").value = name;
  get("email").value = "ada@example.com";
  get("message").value = `A message by ${name}`;
  get("form").requestSubmit();
  await until("sent", () => get("status").textContent.startsWith("Sent.") && get("name").value === "");
  return [...document.querySelectorAll("dd.sealed")].map(({ title }) => title);
}

async function use(engine: string): Promise<void> {
  await until("the recipient", () => get("whom").textContent.includes("signed by the vault"));
  const texts = await send(`Ada ü ${engine} 1`);
  if (texts.length !== 3) throw new Error(`${texts.length} ciphertexts are shown`);
  // All three are under one data key.
  await attempt(texts[0]!);
  if (isCodeMade()) throw new Error("the page's policy lets text become code");
  const absorbed = await (await fetch("/driver/absorb", { method: "POST", body: engine })).text();
  if (absorbed !== "ok") throw new Error(absorbed);
  await send(`Ada ü ${engine} 2`);
}

/** Everything that is tried. @throws if anything but a refusal comes of it */
async function attempt(text: string): Promise<void> {
  const recipient = (await (await fetch("/recipient.json")).json()) as RecipientDocument;
  const { encryptedKeys } = inspect(text);
  const keyBlob = decodeBase64(encryptedKeys)!;
  const blob = decodeSealedKeyBlob(keyBlob);
  const open = (dataKey: Uint8Array): Promise<unknown> =>
    localDecrypt(text, { dataKey }, undefined, { as: "bytes", sync: noble });

  // Whatever of 32 bytes is in the document and in the message, as a private key, and what is in the document as the data key.
  const given = [recipient.public_key, recipient.signer, recipient.signature].map(
    (part) => decodeBase64(part)!,
  );
  const inDocument = given.flatMap((bytes) => windows(bytes, KEY_BYTES));
  const inMessage = windows(keyBlob, KEY_BYTES / 2);
  for (const key of [...inDocument, ...inMessage]) {
    await refused("ERR_DECRYPT_FAILED", () => openSealedDataKey(TOOLS, blob, key), "a private key");
  }
  for (const key of inDocument) await refused("ERR_DECRYPT_FAILED", () => open(key), "a data key");

  // What encrypts does not decrypt: neither a lease of the same document, nor the key it holds.
  const encryptor = new SealedEncryptor({ recipient, curves: tweetnacl, sync: noble });
  using lease = await sealedLease(encryptor);
  await refused("ERR_KEY_MISMATCH", () => lease.decrypt(text), "a lease");

  // The vault itself, which is asked without an API key, and with what the page could take for one.
  for (const path of KEY_PATHS) {
    for (const key of [undefined, recipient.id, recipient.public_key, recipient.signature]) {
      const { status } = await fetch(path, {
        method: "POST",
        headers: {
          "content-type": "application/json",
          ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
        },
        body: JSON.stringify({ keys: encryptedKeys }),
      });
      if (status !== 401) throw new Error(`${path} answered ${status} to who has no API key`);
    }
  }
}

async function refused(code: string, call: () => unknown, what: string): Promise<void> {
  try {
    await call();
  } catch (error) {
    if ((error as { code?: string }).code === code) return;
    throw error;
  }
  throw new Error(`${what} opened what the page has sent`);
}

/** The parts of this many bytes that begin at every step. */
function windows(bytes: Uint8Array, step: number): Uint8Array[] {
  const found: Uint8Array[] = [];
  for (let at = 0; at + KEY_BYTES <= bytes.length; at += step) found.push(bytes.slice(at, at + KEY_BYTES));
  return found;
}

function isCodeMade(): boolean {
  try {
    return new Function("return true")() as boolean;
  } catch {
    return false;
  }
}

const result = await use(location.pathname.split("/").at(-1)!).then(
  () => "ok",
  (error: Error) => `${error.message}\n${error.stack}`,
);
await fetch("/driver/result", { method: "POST", body: result });
