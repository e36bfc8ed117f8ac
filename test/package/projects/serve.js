// Starts a service by a command, asks it, and ends it: node serve.js PATH OPEN-PATH -- COMMAND
import { spawn } from "node:child_process";

const [path, openPath, , command, ...args] = process.argv.slice(2);
const child = spawn(command, args, {
  stdio: ["ignore", "pipe", "inherit"],
  env: { ...process.env, PORT: "0", VAULT: "vault.db" },
});
const port = await new Promise((resolve, reject) => {
  let output = "";
  child.once("exit", (code) => reject(new Error(`it ended with ${code} before it listened: ${output}`)));
  child.stdout.on("data", (chunk) => {
    output += chunk;
    const found = /port (\d+)|127\.0\.0\.1:(\d+)|localhost:(\d+)/.exec(output);
    if (found !== null) resolve(found.slice(1).find((group) => group !== undefined));
  });
});
const ask = async (to, body) => {
  const response = await fetch(`http://127.0.0.1:${port}${to}`, { method: "POST", body });
  if (!response.ok) throw new Error(`${to}: ${response.status} ${await response.text()}`);
  return await response.text();
};
const text = await ask(path, "s3cret");
const plain = await ask(openPath, text);
const ended = new Promise((resolve) => child.once("exit", resolve));
child.kill("SIGTERM");
await ended;
console.log(plain === "s3cret" ? "smoke: ok" : `wrong: ${plain}`);
