/**
 * The package as checkers of packages see it.
 *
 * Owns these rows. Must not know how the package is installed.
 *
 * @module
 */

import { ESM_MANIFEST, type Kind, node } from "./kind.ts";

/** The package as checkers of packages see it. */
export function checkers(): Kind[] {
  return [
    {
      name: "publint",
      files: { "package.json": ESM_MANIFEST },
      commands: ({ tool }) => [node([tool("publint/src/cli.js"), "node_modules/coffer", "--strict"])],
      expected: "All good!",
    },
    {
      name: "Are the types wrong? ESM only",
      files: { "package.json": ESM_MANIFEST },
      commands: ({ tool }) => [
        node([
          tool("@arethetypeswrong/cli/dist/index.js"),
          "coffer.tgz",
          "--profile",
          "esm-only",
          "--exclude-entrypoints",
          "aes-gcm.wasm",
          "--no-emoji",
          "--format",
          "ascii",
        ]),
      ],
      expected: "",
    },
  ];
}
