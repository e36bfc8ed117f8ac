// Writes workerd's configuration for the modules that wrangler left in out/, the main one first.
import { readdirSync, writeFileSync } from "node:fs";

const others = readdirSync("out").filter((name) => name.endsWith(".wasm"));
const modules = [
  '(name = "main.js", esModule = embed "out/main.js")',
  ...others.map((name) => `(name = "${name}", wasm = embed "out/${name}")`),
];
const config = [
  'using Workerd = import "/workerd/workerd.capnp";',
  'const config :Workerd.Config = (services = [(name = "main", worker = .worker)]);',
  `const worker :Workerd.Worker = (modules = [${modules.join(", ")}], compatibilityDate = "2026-11-01");`,
];
writeFileSync("config.capnp", config.join("\n"));
