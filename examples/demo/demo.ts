/**
 * The demo itself: eight steps through the main job, each verified.
 *
 * Owns what is done with the vault; the code is meant to be copied from. Must not know the command line or how
 * files are parsed.
 *
 * @module
 */
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { inspect, isVaultError, type KeyContext, splice, type VaultErrorCode } from "../../src/index.ts";
import { type EmbeddedVault, openVault } from "../../src/vault/index.ts";
import { type Cell, readSealed, readSecrets, readTable, type Table, writeSealed } from "./input.ts";
import type { DemoOptions } from "./options.ts";
import { count, type Report } from "./report.ts";

/** Something did not turn out as coffer promises. */
export class VerificationError extends Error {
  override readonly name = "VerificationError";
}

export interface DemoResult {
  readonly vaultPath: string;
  readonly csvPath: string;
  /** A ciphertext that can still be decrypted, by itself in a file; and its associated data. */
  readonly fieldPath: string;
  readonly fieldPlace: string;
  readonly secretName: string;
}

/** What all steps work on. */
interface Demo {
  readonly vault: EmbeddedVault;
  readonly secrets: Secrets;
  readonly table: Table;
  readonly csvPath: string;
  /** The context that a tenant's cells are encrypted under. */
  readonly contexts: Map<string, KeyContext>;
  readonly tenantColumn: string;
  readonly report: Report;
  readonly signal: AbortSignal;
}

type Secrets = readonly [name: string, value: string][];

type Say = (line: string) => void;

/** The context of the application's own secrets. */
const APP = { app: "coffer-demo" };

/**
 * Runs the demo in a new folder of `options.out`.
 *
 * @throws InputError for files that cannot be used, before anything is written; VerificationError; the signal's reason
 */
export async function runDemo(
  options: DemoOptions,
  report: Report,
  signal: AbortSignal,
): Promise<DemoResult> {
  const secrets = await readSecrets(options.env);
  const table = await readTable(options.csv, options.idColumn, options.tenantColumn);
  const { tenantColumn } = options;
  report.print(`${count(secrets.length, "secret")} of ${options.env}
${count(table.rows.length, "row")} of ${count(table.tenants.length, "tenant")} in ${options.csv}
`);
  const directory = await makeRunDirectory(options.out);
  const vaultPath = join(directory, "vault.db");
  const csvPath = join(directory, `${table.name}.encrypted.csv`);
  const contexts = new Map(table.tenants.map((tenant) => [tenant, { [tenantColumn]: tenant }]));
  // The first tenant moves, the last one goes.
  const mover = table.tenants[0]!;
  const leaver = table.tenants.at(-1)!;
  {
    await using vault = await report.step("Open a vault", (say) => open(vaultPath, say));
    const demo: Demo = { vault, secrets, table, csvPath, contexts, tenantColumn, report, signal };
    await report.step("Put the application's secrets into its store", (say) => storeSecrets(demo, say));
    await report.step("Encrypt every field of the CSV file", (say) => encryptCells(demo, say));
    await report.step("Decrypt everything and compare", (say) => decryptAll(demo, say));
    await report.step("Move a tenant to another key context", (say) => rekeyTenant(demo, mover, say));
    await report.step("Rotate two KEKs", (say) => rotateAndRewrap(demo, mover, say));
    await report.step("Shred a tenant", (say) => shredTenant(demo, leaver, say));
  }
  await report.step("Search what is left for plaintext", (say) =>
    searchPlaintext(directory, secrets, table, say),
  );
  const field = table.cells.find((cell) => cell.tenant !== leaver)!;
  const fieldPath = join(directory, "one-field.txt");
  await writeFile(fieldPath, field.sealed);
  return { vaultPath, csvPath, fieldPath, fieldPlace: field.place, secretName: secrets[0]![0] };
}

/** Makes run-1, or the first that is not there yet: earlier runs stay as they are. */
async function makeRunDirectory(out: string): Promise<string> {
  await mkdir(out, { recursive: true });
  for (let run = 1; ; run++) {
    const directory = join(out, `run-${run}`);
    try {
      await mkdir(directory, { mode: 0o700 });
      return directory;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
  }
}

async function open(path: string, say: Say): Promise<EmbeddedVault> {
  say(`${path} is new: a key service and a store of secrets in one file`);
  return openVault({ path, onNotice: say });
}

async function storeSecrets({ vault, secrets, report }: Demo, say: Say): Promise<void> {
  for await (const [name, value] of report.each(secrets)) {
    await vault.createKv({ name, value, keyContext: APP });
  }
  say(`${count(secrets.length, "secret")}, each under a data key of its own for the context ${show(APP)}`);

  // Every write makes a version. A writer who says which version it has seen cannot overwrite another's write.
  const first = await vault.getName({ name: secrets[0]![0] });
  const seen = first.metadata.versionId;
  await vault.updateKv({ id: first.id, value: first.value, versionCheck: seen });
  await mustFail("ERR_KV_VERSION_CONFLICT", "a write over a version that was not seen", () =>
    vault.updateKv({ id: first.id, value: "too late", versionCheck: seen }),
  );
  const old = await vault.getKv({ id: first.id, versionId: seen });
  verify(old.value === first.value, `the old version of ${first.name} reads as another value`);
  say(`${first.name} has 2 versions now, both readable; a stale write was refused (ERR_KV_VERSION_CONFLICT)`);
}

async function encryptCells({ vault, table, csvPath, contexts, report }: Demo, say: Say): Promise<void> {
  const { cells, header, secretColumns } = table;
  for await (const cell of report.each(cells)) {
    // One data key serves all messages of a context, within a budget; without `reuse` each gets its own.
    const context = contexts.get(cell.tenant)!;
    cell.sealed = await vault.encrypt(cell.plain, context, cell.place, { reuse: true });
  }
  await writeSealed(csvPath, table);
  const dataKeys = new Set(cells.map((cell) => inspect(cell.sealed).keyBlob.dataKeyId)).size;
  const columns = secretColumns.map((column) => header[column]).join(", ");
  say(
    `${count(cells.length, "field")} (${columns} of ${count(table.rows.length, "row")}), written to ${csvPath}`,
  );
  say(
    `each under its tenant's context, e.g. ${show(contexts.get(cells[0]!.tenant)!)}: ${count(dataKeys, "data key")}`,
  );
  say(`and bound to its place by associated data, e.g. ${cells[0]!.place}`);
}

async function decryptAll(demo: Demo, say: Say): Promise<void> {
  const { vault, table, csvPath, secrets } = demo;
  const stored = await readSealed(csvPath, table);
  verify(stored.length === table.cells.length, `${csvPath} has lost cells`);
  for (const [index, cell] of table.cells.entries()) cell.sealed = stored[index]!;
  await verifyCells(demo, table.cells);
  await verifySecrets(demo);
  say(
    `${count(table.cells.length, "field")} from ${csvPath} and ${count(secrets.length, "secret")}: all as they were, byte for byte`,
  );

  // Two cells of one tenant share a data key. Only the associated data tells that they have been swapped.
  const a = table.cells[0]!;
  const b = table.cells.find((cell) => cell !== a && cell.tenant === a.tenant);
  if (b === undefined) return;
  await mustFail("ERR_DECRYPT_FAILED", "a swapped field", () => vault.decrypt(b.sealed, a.place));
  await mustFail("ERR_DECRYPT_FAILED", "a swapped field", () => vault.decrypt(a.sealed, b.place));
  say(`${a.place} and ${b.place} swapped: both refused (ERR_DECRYPT_FAILED)`);
}

async function rekeyTenant(demo: Demo, tenant: string, say: Say): Promise<void> {
  const { vault, table, csvPath, contexts, report, signal } = demo;
  const cells = table.cells.filter((cell) => cell.tenant === tenant);
  const context = { ...contexts.get(tenant)!, storage_region: "eu" };
  const results = await vault.rekeyMany(
    cells.map((cell) => cell.sealed),
    context,
    { signal, onProgress: report.progress },
  );
  for (const [index, result] of results.entries()) {
    if (!result.ok) throw result.error;
    const cell = cells[index]!;
    // The wrapped data key is all that has changed: with the old one put back, it is the old text. (Whoever kept the
    // old text can still decrypt it under the old context: a rekey moves, it does not revoke.)
    const old = cell.sealed;
    verify(result.value !== old, `${cell.place} was not moved`);
    verify(splice(result.value, inspect(old).encryptedKeys) === old, `${cell.place} has another payload now`);
    cell.sealed = result.value;
  }
  contexts.set(tenant, context);
  await writeSealed(csvPath, table);
  await verifyCells(demo, cells);
  say(
    `${count(cells.length, "field")} of ${tenant} moved to ${show(context)}: a new wrapped data key in each`,
  );
  say("their payload bytes are the same as before, and they decrypt as before");
}

async function rotateAndRewrap(demo: Demo, tenant: string, say: Say): Promise<void> {
  const { vault, table, csvPath, tenantColumn, report, signal } = demo;
  const cells = table.cells.filter((cell) => cell.tenant === tenant);

  // Rotating changes nothing that is there: it is for data keys from now on. Rewrapping brings the rest along.
  const kek = await vault.keks.rotate({ name: tenantColumn, value: tenant });
  for await (const cell of report.each(cells)) cell.sealed = await vault.rewrap(cell.sealed);
  await writeSealed(csvPath, table);
  const newest = kek.versions[0]!.version;
  const isOld = (cell: Cell): boolean =>
    inspect(cell.sealed).keyBlob.keks.some(({ id, version }) => id === kek.id && version !== newest);
  const oldCells = cells.filter(isOld).length;
  verify(oldCells === 0, `${oldCells} fields are still under an old version of their KEK`);
  await verifyCells(demo, cells);
  say(
    `${tenantColumn}=${tenant}: version ${newest}; ${count(cells.length, "field")} rewrapped, ${oldCells} left under older versions`,
  );

  // The vault rewraps its own store, and knows how many values hang on which version.
  const appKek = { name: "app", value: APP.app };
  await vault.keks.rotate(appKek);
  const { rewrapped } = await vault.rewrapKv({ signal, onProgress: report.progress });
  const [current, ...older] = (await vault.keks.get(appKek)).versions;
  const oldValues = older.reduce((sum, version) => sum + version.kvVersions, 0);
  verify(oldValues === 0, `${oldValues} stored values are still under an old version of their KEK`);
  say(
    `app=${APP.app}: version ${current!.version}; ${count(rewrapped, "stored value")} rewrapped, ${oldValues} left under older versions`,
  );
  await verifySecrets(demo);
}

async function shredTenant(demo: Demo, tenant: string, say: Say): Promise<void> {
  const { vault, table, secrets, tenantColumn, report } = demo;
  const kek = { name: tenantColumn, value: tenant };
  const plan = await vault.keks.shred(kek, { dryRun: true });
  const gone = table.cells.filter((cell) => cell.tenant === tenant);
  const others = table.cells.filter((cell) => cell.tenant !== tenant);
  const [contexts, stored] = [
    count(plan.contexts.count, "context"),
    count(plan.kvObjects.count, "stored secret"),
  ];
  say(`dry run: the KEK of ${tenantColumn}=${tenant} is needed by ${contexts} and ${stored}`);
  await verifyCells(demo, gone);

  await vault.keks.shred(kek);
  for await (const cell of report.each(gone)) {
    await mustFail("ERR_KEY_DESTROYED", cell.place, () => vault.decrypt(cell.sealed, cell.place));
  }
  say(
    `shredded: nothing of ${tenant} can be read any more, ${count(gone.length, "field")} refused (ERR_KEY_DESTROYED)`,
  );
  await verifyCells(demo, others);
  await verifySecrets(demo);
  say(`the other ${count(others.length, "field")} and ${count(secrets.length, "secret")} still decrypt`);
}

/** Bytes of the shortest value to search for: shorter ones turn up by chance. */
const SEARCH_BYTES_MIN = 12;
/** Fields to search for, spread over the whole file. */
const SEARCH_FIELDS_MAX = 500;

async function searchPlaintext(directory: string, secrets: Secrets, table: Table, say: Say): Promise<void> {
  const names = await readdir(directory);
  const files = await Promise.all(names.map((name) => readFile(join(directory, name))));
  const isFound = (text: string): boolean => files.some((file) => file.includes(text));
  verify(
    isFound(secrets[0]![0]),
    "the search does not even find a secret's name, which is readable on purpose",
  );

  const isLong = (value: string): boolean => Buffer.byteLength(value) >= SEARCH_BYTES_MIN;
  const fields = [...new Set(table.cells.map((cell) => cell.plain).filter(isLong))];
  const every = Math.ceil(fields.length / SEARCH_FIELDS_MAX);
  const sample = [
    ...secrets.map(([, value]) => value).filter(isLong),
    ...fields.filter((_, index) => index % every === 0),
  ];
  // A value that is part of something readable, as a note that names its row, would be found there.
  const ids = table.rows.map((row) => row.filter((_, column) => !table.secretColumns.includes(column)));
  const readable = [table.header, ...ids, secrets.map(([name]) => name)].flat().join("\n");
  const values = sample.filter((value) => !readable.includes(value));
  for (const value of values) verify(!isFound(value), `a value of the input is readable in ${directory}`);
  say(`${count(values.length, "value")} of ${SEARCH_BYTES_MIN} bytes or more searched for: found in none of`);
  say(`${names.join(", ")}`);
  say("readable on purpose: names, contexts, row ids, and how long each value is");
}

/** Decrypts cells and compares them with the input. */
async function verifyCells({ vault, contexts, report }: Demo, cells: readonly Cell[]): Promise<void> {
  for await (const { tenant, place, plain, sealed } of report.each(cells)) {
    // `context` is what the caller expects: a ciphertext of another tenant is refused, even in the right place.
    const text = await vault.decrypt(sealed, place, { context: contexts.get(tenant)! });
    verify(text === plain, `${place} decrypts to something else`);
  }
}

async function verifySecrets({ vault, secrets, report }: Demo): Promise<void> {
  for await (const [name, value] of report.each(secrets)) {
    verify((await vault.getName({ name })).value === value, `${name} reads as another value`);
  }
}

/** A call that must be refused, and why. */
async function mustFail(code: VaultErrorCode, what: string, call: () => Promise<unknown>): Promise<void> {
  try {
    await call();
  } catch (error) {
    if (isVaultError(error, code)) return;
    throw error;
  }
  throw new VerificationError(`${what} was accepted, where ${code} was due`);
}

function verify(condition: boolean, problem: string): void {
  if (!condition) throw new VerificationError(problem);
}

/** A context as one would write it. */
function show(context: KeyContext): string {
  const entries = Object.entries(context).map(([name, value]) => `${name}: ${JSON.stringify(value)}`);
  return `{ ${entries.join(", ")} }`;
}
