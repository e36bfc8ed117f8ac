/**
 * Projects of TypeScript: compilers from 5.2 on, by their settings.
 *
 * Owns these rows. Must not know how the package is installed.
 *
 * @module
 */

import { ESM_MANIFEST, type Kind, node, type Tools } from "./kind.ts";

const COMPILERS = ["5.2", "5.6", "5.7", "5.9", "6", "7"] as const;

/** TypeScript from 5.2 on, by each way to resolve modules, with and without DOM and Node's types. */
export function typescripts(): Kind[] {
  const ways = [
    ["nodenext", { module: "nodenext", moduleResolution: "nodenext" }],
    ["node16", { module: "node16", moduleResolution: "node16" }],
    ["bundler", { module: "esnext", moduleResolution: "bundler" }],
  ] as const;
  const libraries = [
    ["DOM", { lib: ["ES2022", "DOM", "DOM.Iterable"], types: [] }, ["types.ts", "types-dom.ts", "workos.ts"]],
    ["Node's types", { lib: ["ES2022"], types: ["node"] }, ["types.ts", "types-node.ts", "types-using.ts"]],
    [
      "DOM, esnext.disposable",
      { lib: ["ES2022", "DOM", "ESNext.Disposable"], types: [] },
      ["types.ts", "types-using.ts"],
    ],
    [
      "DOM and Node's types",
      { lib: ["ES2022", "DOM", "DOM.Iterable"], types: ["node"] },
      ["types.ts", "types-dom.ts", "types-node.ts", "workos.ts"],
    ],
    // Without either there is no AbortSignal and no stream: a project for such a platform has types of its own.
    ["neither, libraries not checked", { lib: ["ES2022"], types: [], skipLibCheck: true }, ["types.ts"]],
  ] as const;
  return COMPILERS.flatMap((version) =>
    ways.flatMap(([way, modules]) =>
      libraries.map(([library, libraryOptions, include]) => ({
        name: `TypeScript ${version}, ${way}, ${library}`,
        // The oldest and the newest, by each kind of library and each way, in what CI has.
        isSlow: !(
          (version === "7" && (way === "nodenext" || library === "DOM")) ||
          (version === "5.2" && way === "nodenext" && (library === "DOM" || library === "Node's types"))
        ),
        files: {
          "package.json": ESM_MANIFEST,
          "tsconfig.json": JSON.stringify({
            compilerOptions: {
              target: "ES2022",
              strict: true,
              exactOptionalPropertyTypes: true,
              noEmit: true,
              skipLibCheck: false,
              ...modules,
              ...libraryOptions,
            },
            files: include,
          }),
        },
        commands: (tools: Tools) => [node([tools.tool(`typescript-${version}/bin/tsc`), "-p", "."])],
        expected: "",
      })),
    ),
  );
}

/**
 * TypeScript that writes CommonJS: by the old way to resolve modules, by `nodenext`, which knows that Node's `require`
 * takes ES modules, and by `import()`, which every version takes.
 */
export function commonJs(): Kind[] {
  const compiled = (
    name: string,
    version: string,
    file: string,
    options: object,
    program: string,
    isSlow: boolean,
  ): Kind => ({
    name: `TypeScript ${version}, CommonJS, ${name}`,
    isSlow,
    files: {
      "package.json": JSON.stringify({ private: true }),
      [file]: program,
      "tsconfig.json": JSON.stringify({
        compilerOptions: {
          target: "ES2022",
          lib: ["ES2022"],
          types: ["node"],
          strict: true,
          skipLibCheck: false,
          outDir: "out",
          ...options,
        },
        files: [file],
      }),
    },
    commands: ({ tool }) => [
      node([tool(`typescript-${version}/bin/tsc`), "-p", "."]),
      node([`out/${file.replace("ts", "js")}`]),
    ],
  });
  const imports = [
    'import { Vault } from "coffer";',
    'import { localDecrypt } from "coffer/crypto";',
    'import { wasm } from "coffer/sync";',
    'import { isVaultError } from "coffer/errors";',
    'import type { KekService } from "coffer/keks";',
    'import type { KeyService } from "coffer/keys";',
    'import type { KvService } from "coffer/kv";',
    'import { rekeyMany } from "coffer/rekey";',
    'import { createApp } from "coffer/server";',
    'import { createTestVault } from "coffer/testing";',
    'import { openVault } from "coffer/vault";',
    'import { WorkOS } from "coffer/workos";',
    "export type Ports = [KekService, KeyService, KvService, typeof wasm];",
    "for (const it of [Vault, localDecrypt, isVaultError, rekeyMany, createApp, createTestVault, WorkOS]) it.name.at(0);",
  ];
  const use = [
    '  const vault = await openVault({ path: ":memory:", onNotice: () => {} });',
    '  const text: string = await vault.encrypt("s3cret", { organization_id: "org_1" });',
    '  if ((await vault.decrypt(text)) === "s3cret") console.log("smoke: ok");',
    "  await vault.close();",
    "}",
    "void main();",
  ];
  const statics = [...imports, "async function main(): Promise<void> {", ...use].join("\n");
  const dynamic = [
    "async function main(): Promise<void> {",
    '  const { openVault } = await import("coffer/vault");',
    ...use,
  ].join("\n");
  const node10 = { module: "commonjs", moduleResolution: "node10" };
  return [
    ...(["5.2", "5.6", "5.7", "5.9"] as const).map((version) =>
      compiled("node10", version, "main.ts", node10, statics, version !== "5.9"),
    ),
    compiled("node10", "6", "main.ts", { ...node10, ignoreDeprecations: "6.0" }, statics, true),
    ...(["5.9", "6", "7"] as const).map((version) =>
      compiled("nodenext", version, "main.cts", { module: "nodenext" }, statics, version !== "7"),
    ),
    ...COMPILERS.map((version) =>
      compiled("node16, import()", version, "main.cts", { module: "node16" }, dynamic, version !== "7"),
    ),
  ];
}
