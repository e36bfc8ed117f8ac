// Serves the form and keeps what comes in. It has no key: it can store a message and not read one.
//
//     npm install coffer esbuild
//     npx coffer recipients create --context organization_id=org_1 --vault vault.db      (where the vault is)
//     npx coffer recipients export ID --vault vault.db > recipient.json
//     npx esbuild form.js --bundle --minify --format=esm --outfile=dist/form.js
//     node server.js                                                                     (SIGNER=… pins the document's signer)
//     node read-messages.js                                                              (where the vault is)
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { inspect } from "coffer/crypto";

const HERE = import.meta.dirname;
const { PORT = "3000", SIGNER = "", INBOX = "inbox", RECIPIENT = "recipient.json" } = process.env;
const SEALED_FIELDS = ["name", "email", "message"];
const MESSAGE_BYTES_MAX = 64 * 1024;
const ID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** The page runs its own script only, turns no text into code, asks its own origin only, and is framed by no other. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join("; ");

const page = await readFile(join(HERE, "index.html"), "utf8");
const FILES = {
  "/": ["text/html", page.replace('data-signer=""', `data-signer="${SIGNER}"`)],
  "/style.css": ["text/css", await readFile(join(HERE, "style.css"))],
  "/form.js": ["text/javascript", await readFile(join(HERE, "dist", "form.js"))],
};
await mkdir(INBOX, { recursive: true });

const server = createServer(async (request, response) => {
  const answer = (status, type, body) =>
    response
      .writeHead(status, {
        "content-type": `${type}; charset=utf-8`,
        "content-security-policy": POLICY,
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
      })
      .end(body);
  try {
    const file = FILES[request.url];
    if (request.method === "POST" && request.url === "/messages") answer(await keep(request), "text/plain");
    else if (request.url === "/recipient.json") {
      // Read each time: a rotated recipient has another document.
      answer(200, "application/json", await readFile(RECIPIENT));
    } else if (file !== undefined) answer(200, ...file);
    else answer(404, "text/plain");
  } catch (error) {
    console.error(error);
    answer(500, "text/plain");
  }
});
server.listen(Number(PORT), "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
process.once("SIGTERM", () => server.close());

/** Keeps a message if its fields are sealed. @returns the status */
async function keep(request) {
  const bytes = Number(request.headers["content-length"]);
  if (!(bytes <= MESSAGE_BYTES_MAX)) return 413;
  let message;
  try {
    message = JSON.parse(await text(request));
    // Looks at the envelopes only: who sealed them, and whether they open, the vault will see.
    const areSealed = SEALED_FIELDS.every((name) => inspect(message[name]).keyBlob.format === "sealed");
    if (!ID.test(message.id) || !areSealed) return 400;
  } catch {
    return 400;
  }
  const { id, topic, name, email, message: body } = message;
  try {
    // A second message with this id is refused.
    await writeFile(
      join(INBOX, `${id}.json`),
      JSON.stringify({ id, topic: String(topic).slice(0, 100), name, email, message: body }),
      { flag: "wx" },
    );
    return 201;
  } catch (error) {
    if (error.code === "EEXIST") return 409;
    throw error;
  }
}
