/**
 * `npm run api`: writes the API reference, docs/api.
 *
 * @module
 */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { API_FOLDER, makePages } from "./documents/api/pages.ts";
import { ROOT } from "./root.ts";

const pages = makePages(ROOT);
rmSync(join(ROOT, API_FOLDER), { recursive: true, force: true });
mkdirSync(join(ROOT, API_FOLDER), { recursive: true });
for (const [path, text] of pages) writeFileSync(join(ROOT, path), text);
console.log(`${pages.size} pages in ${API_FOLDER}`);
