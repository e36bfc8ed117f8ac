/**
 * The page: reads its fields, shows what coffer says.
 *
 * Owns the document. Text is put in as text only, never as markup. Must not know layouts.
 *
 * @module
 */
import { localDecrypt, localEncrypt, type WritableLayout } from "../../src/crypto/index.ts";
import { inspect, isVaultError } from "../../src/index.ts";
import { noble } from "../../src/sync.ts";
import { type Field, fieldsOf } from "./fields.ts";

/** A page that was saved and opened as a file has no Web Crypto in some browsers. */
const sync = noble;

/** Bytes of one field that are shown; ours. The rest is counted. */
const SHOWN_BYTES_MAX = 512;

/** Who wraps data keys, by the format of a key blob. */
const KEY_SERVICES = {
  coffer: "coffer",
  workos: "WorkOS",
  sealed: "coffer, sealed to a recipient",
  test: "a test vault of coffer/testing",
} as const;

/** A public sample of workos-go (cryptography_test.go): an envelope, its data key and its associated data. */
const SAMPLE = {
  dataKey: "hNjAWl++MJjDZ64dUeYlgJZDEbemRmdKvNHUnnRFUNg=",
  encryptedKeys:
    "V09TLkVLTS52MQAwMjA1ZTBlYy04MjhlLTU1OTQtOTZhYy1hNjhmYzgyNTdmYjcBATEBJGNmMjllNjhhLWYzMmQtNDI4YS05NDg2LTY5YjAyM2JmNjUyNAF0Y2YyOWU2OGEtZjMyZC00MjhhLTk0ODYtNjliMDIzYmY2NTI0uRXneWi4j8iJN4vYJQfGWJVDhk3ogkZmUda857GKGPgneo0xw+M7O5Tg/Z1WbfPPc+C5ncUpj1sHz5LUaU6uSyAO48f4CdpK3dn6UjErRUM=",
  text: "secret api key",
};

interface Elements {
  readonly textarea: HTMLTextAreaElement;
  readonly input: HTMLInputElement;
  readonly select: HTMLSelectElement;
  readonly form: HTMLFormElement;
  readonly other: HTMLElement;
}

/** An element of the page. */
function get<K extends keyof Elements>(id: string, _kind: K): Elements[K] {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`the page has no #${id}`);
  return element as Elements[K];
}

const ciphertext = get("ciphertext", "textarea");

ciphertext.addEventListener("input", show);
get("sample", "other").addEventListener("click", () => {
  void localEncrypt(SAMPLE.text, SAMPLE, undefined, { sync }).then((text) => {
    ciphertext.value = text;
    get("open-key", "input").value = SAMPLE.dataKey;
    show();
  });
});
get("open", "form").addEventListener("submit", (event) => {
  event.preventDefault();
  void open();
});
get("make", "form").addEventListener("submit", (event) => {
  event.preventDefault();
  void make();
});
get("make-example", "other").addEventListener("click", () => {
  get("make-key", "input").value = SAMPLE.dataKey;
  get("make-blob", "input").value = SAMPLE.encryptedKeys;
});

/** Takes apart what stands in the field. */
function show(): void {
  const text = ciphertext.value.trim();
  const result = get("result", "other");
  result.hidden = true;
  if (text === "") {
    tell("verdict", "", "");
    return;
  }
  try {
    const info = inspect(text, { lenient: true });
    const bytes = bytesOf(text);
    const fields = fieldsOf(bytes, info);
    const { keyBlob } = info;
    get("facts", "other").replaceChildren(
      ...fact("Layout", info.layout),
      ...fact("Key service", KEY_SERVICES[keyBlob.format]),
      ...fact("Data key", keyBlob.dataKeyId ?? "not told"),
      ...fact(
        "KEKs",
        keyBlob.keks.map((kek) => kek.id + (kek.version ? ` version ${kek.version}` : "")).join(", ") ||
          "not told",
      ),
      ...fact("Plaintext", `${info.plaintextBytes.toLocaleString("en")} bytes`),
      ...fact(
        "Envelope",
        `${bytes.length.toLocaleString("en")} bytes, ${info.isCanonical ? "canonical" : "not in the canonical form"}`,
      ),
      ...fact("Commits to its key", info.layout === "native" ? "yes" : "no"),
    );
    get("fields", "other").replaceChildren(...fields.map(row));
    get("bytes", "other").replaceChildren(...fields.map((field) => span(field, bytes)));
    tell("verdict", `A ciphertext of layout ${info.layout}. Nothing was decrypted.`, "good");
    result.hidden = false;
  } catch (error) {
    tell("verdict", messageOf(error), "bad");
  }
}

async function open(): Promise<void> {
  const output = get("plaintext", "other");
  output.hidden = true;
  try {
    const key = { dataKey: get("open-key", "input").value.trim() };
    const aad = get("open-aad", "input").value;
    output.textContent = await localDecrypt(ciphertext.value.trim(), key, aad, { lenient: true, sync });
    output.hidden = false;
    tell("open-verdict", "The tag is right. The plaintext:", "good");
  } catch (error) {
    tell("open-verdict", messageOf(error), "bad");
  }
}

async function make(): Promise<void> {
  try {
    const key = {
      dataKey: get("make-key", "input").value.trim(),
      encryptedKeys: get("make-blob", "input").value.trim(),
    };
    const layout = get("make-layout", "select").value as WritableLayout;
    const text = get("make-text", "textarea").value;
    ciphertext.value = await localEncrypt(text, key, get("make-aad", "input").value, { layout, sync });
    tell("make-verdict", "Encrypted. The ciphertext stands above.", "good");
    show();
    ciphertext.focus();
  } catch (error) {
    tell("make-verdict", messageOf(error), "bad");
  }
}

function tell(id: string, text: string, kind: "good" | "bad" | ""): void {
  const element = get(id, "other");
  element.textContent = text;
  element.className = `verdict ${kind}`;
}

function messageOf(error: unknown): string {
  if (isVaultError(error)) return `${error.message} (${error.code})`;
  return error instanceof Error ? error.message : String(error);
}

/** What the text's base64 stands for, as leniently as `inspect` was told to read it. */
function bytesOf(text: string): Uint8Array {
  const binary = atob(text.replaceAll(/\s/g, "").replace(/=+$/, ""));
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}

function element<K extends keyof HTMLElementTagNameMap>(
  name: K,
  text: string,
  className = "",
): HTMLElementTagNameMap[K] {
  const made = document.createElement(name);
  made.textContent = text;
  made.className = className;
  return made;
}

const fact = (name: string, value: string): HTMLElement[] => [element("dt", name), element("dd", value)];

function row(field: Field): HTMLElement {
  const made = document.createElement("tr");
  const name = document.createElement("td");
  name.append(element("span", field.name, `swatch ${field.kind}`));
  const size = field.end - field.start;
  const place = size === 0 ? "none" : `${size} from ${field.start}`;
  made.append(name, element("td", place), element("td", field.authentication), element("td", field.note));
  return made;
}

/** The bytes of a field as hexadecimal, in its colour. */
function span(field: Field, bytes: Uint8Array): HTMLElement {
  const shown = bytes.subarray(field.start, Math.min(field.end, field.start + SHOWN_BYTES_MAX));
  const hex = Array.from(shown, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
  const rest = field.end - field.start - shown.length;
  const made = element("span", `${hex}${rest > 0 ? ` … ${rest} more ` : " "}`, field.kind);
  made.title = field.name;
  return made;
}
