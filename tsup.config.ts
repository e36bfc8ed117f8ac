import { defineConfig } from "tsup";

// One entry per subpath of package.json "exports", plus the command. Shared code becomes chunks, so that an
// error class or a cache exists once whatever subpaths an application imports.
export default defineConfig({
  entry: {
    index: "src/index.ts",
    errors: "src/errors.ts",
    "crypto/index": "src/crypto/index.ts",
    "keys/index": "src/keys/index.ts",
    "kv/index": "src/kv/index.ts",
    "rekey/index": "src/rekey/index.ts",
    "vault/index": "src/vault/index.ts",
    "cli/main": "src/cli/main.ts",
  },
  format: ["esm"],
  target: "node22",
  platform: "neutral",
  dts: true,
  clean: true,
  splitting: true,
  sourcemap: false,
  // tsup strips the node: prefix by default; node:sqlite exists only with it.
  removeNodeProtocol: false,
  external: [/^node:/],
});
