// The page's script: encrypts the fields of the form, and sends them. It has a public key and nothing else: no API key, and no way
// to read what it sends.
//
//     npx esbuild form.js --bundle --minify --format=esm --outfile=dist/form.js
import { encryptSealedFields, SealedEncryptor, tweetnacl } from "coffer/sealed";

/** What is encrypted; the topic stays readable. */
const SEALED_FIELDS = ["name", "email", "message"];
const LABELS = { topic: "Topic", name: "Name", email: "E-mail address", message: "Message" };

/** Of a ciphertext. */
const SHOWN_CHARS = 96;

const get = (id) => document.getElementById(id);

/** The recipient, by its document. Where the page names its signer, every document of another signer is refused. */
async function openEncryptor() {
  const response = await fetch("/recipient.json");
  if (!response.ok) throw new Error("there is no recipient");
  const signer = document.documentElement.dataset.signer || undefined;
  // tweetnacl serves the browsers that have no X25519 themselves.
  return new SealedEncryptor({ recipient: await response.text(), signer, curves: tweetnacl });
}

/** Before the message is written, so that a recipient that cannot be used shows at once. */
const opening = openEncryptor();
opening.then(
  ({ context, trust }) => {
    const whom = Object.entries(context).map((entry) => entry.join(" "));
    const how = trust === "pinned" ? "signed by the vault that this page names" : "trusted as it came";
    get("whom").textContent = `Sealed for ${whom.join(", ")}. The public key is ${how}.`;
  },
  () => say("bad", "Nothing can be sent now: there is no key to encrypt with."),
);

get("form").addEventListener("submit", (event) => {
  event.preventDefault();
  void send(event.target);
});

async function send(form) {
  get("send").disabled = true;
  say("", "Encrypting…");
  try {
    // The id is authenticated with each field, so that fields of two messages cannot be exchanged.
    const id = crypto.randomUUID();
    const message = { id, ...Object.fromEntries(new FormData(form)) };
    const encryptor = await opening;
    const sealed = await encryptSealedFields(encryptor, message, SEALED_FIELDS, { associatedData: id });
    const response = await fetch("/messages", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(sealed),
    });
    if (!response.ok) throw new Error(`the server answered ${response.status}`);
    form.reset();
    show(sealed);
    say("good", "Sent. Only the vault can open it.");
  } catch (error) {
    console.error(error);
    say("bad", "It was not sent. Your text is still here: please try again.");
  } finally {
    get("send").disabled = false;
  }
}

/** Shows what the server was given: of ciphertexts the end, since they begin alike. */
function show(sealed) {
  const rows = Object.entries(LABELS).flatMap(([name, label]) => {
    const term = document.createElement("dt");
    const value = document.createElement("dd");
    const text = sealed[name];
    const isSealed = SEALED_FIELDS.includes(name);
    term.textContent = isSealed ? `${label}: ${text.length} characters, which end with` : label;
    value.textContent = isSealed ? text.slice(-SHOWN_CHARS) : text;
    if (isSealed) {
      value.className = "sealed";
      value.title = text;
    }
    return [term, value];
  });
  get("sent").replaceChildren(...rows);
  get("sent").hidden = false;
  get("steps").hidden = true;
}

function say(kind, text) {
  get("status").className = kind;
  get("status").textContent = text;
}
