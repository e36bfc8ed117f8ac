/**
 * What is done with the inspector in a browser: the page in a frame, used as a person uses it.
 *
 * Owns the steps and what must be seen after each. Runs in the browser; tells the server how it ended.
 *
 * @module
 */
import { SAMPLE_1 } from "../support/samples.ts";

/** For the page to answer a step; ours. */
const WAIT_MS = 10_000;
const STEP_MS = 20;

/** What the steps need of elements of the page. */
interface PageElement {
  value: string;
  textContent: string;
  hidden: boolean;
  tabIndex: number;
  click(): void;
  requestSubmit(): void;
  dispatchEvent(event: object): void;
  querySelectorAll(selector: string): Iterable<PageElement>;
}

interface Page {
  readonly readyState: string;
  getElementById(id: string): PageElement | null;
  querySelectorAll(selector: string): Iterable<PageElement>;
}

declare const frame: { readonly contentDocument: Page };
declare const Event: new (name: string, options: { bubbles: boolean }) => object;

const get = (id: string): PageElement => {
  const element = frame.contentDocument.getElementById(id);
  if (element === null) throw new Error(`there is no #${id}`);
  return element;
};

async function until(what: string, isSo: () => boolean): Promise<void> {
  for (let waited = 0; waited < WAIT_MS; waited += STEP_MS) {
    if (isSo()) return;
    await new Promise((resolve) => setTimeout(resolve, STEP_MS));
  }
  const verdicts = ["verdict", "open-verdict"].map(
    (id) => frame.contentDocument.getElementById(id)?.textContent,
  );
  throw new Error(`${what}: ${JSON.stringify(verdicts)}`);
}

function type(id: string, text: string): void {
  get(id).value = text;
  get(id).dispatchEvent(new Event("input", { bubbles: true }));
}

async function use(): Promise<void> {
  // A page is complete after its script has run.
  await until("the page", () => isThere(frame.contentDocument));
  get("sample").click();
  await until("the sample", () => get("verdict").textContent.includes("layout iv12"));
  get("open").requestSubmit();
  await until("opened", () => get("plaintext").textContent === "secret api key" && !get("plaintext").hidden);
  for (const layout of ["iv12", "leb-first", "dotnet", "native"]) {
    type("make-text", `text of ${layout}`);
    type("make-aad", "user:42");
    type("make-key", SAMPLE_1.dataKey);
    type("make-blob", SAMPLE_1.encryptedKeys);
    get("make-layout").value = layout;
    get("make").requestSubmit();
    await until(`made ${layout}`, () => get("verdict").textContent.includes(`layout ${layout}.`));
    type("open-aad", "user:43");
    get("open").requestSubmit();
    await until(`wrong ${layout}`, () => get("open-verdict").textContent.includes("ERR_DECRYPT_FAILED"));
    type("open-aad", "user:42");
    get("open").requestSubmit();
    await until(`opened ${layout}`, () => get("plaintext").textContent === `text of ${layout}`);
  }
  type("ciphertext", "bm90IG9uZQ==");
  await until("no ciphertext", () => get("verdict").textContent.includes("ERR_NOT_CIPHERTEXT"));
  if (!get("result").hidden) throw new Error("it shows fields of what is no ciphertext");
  const controls = frame.contentDocument.querySelectorAll(
    "input, textarea, select, button, section[tabindex]",
  );
  for (const control of controls)
    if (control.tabIndex < 0) throw new Error("a control is not reached by keyboard");
}

const isThere = (page: Page | null): boolean =>
  page?.readyState === "complete" && page.getElementById("sample") !== null;

/** Runs the steps and tells the server. */
export async function run(): Promise<void> {
  const result = await use().then(
    () => "ok",
    (error: Error) => `${error.message}\n${error.stack}`,
  );
  await fetch("/result", { method: "POST", body: result });
}
