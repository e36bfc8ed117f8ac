// A Web Worker that encrypts a large text off the main thread. Bundle it: npx esbuild worker.js --bundle --format=esm
import { localDecrypt, localEncrypt } from "coffer/crypto";

// Public sample values; a real page asks its own server for them.
const key = {
  dataKey: "hNjAWl++MJjDZ64dUeYlgJZDEbemRmdKvNHUnnRFUNg=",
  encryptedKeys:
    "V09TLkVLTS52MQAwMjA1ZTBlYy04MjhlLTU1OTQtOTZhYy1hNjhmYzgyNTdmYjcBATEBJGNmMjllNjhhLWYzMmQtNDI4YS05NDg2LTY5YjAyM2JmNjUyNAF0Y2YyOWU2OGEtZjMyZC00MjhhLTk0ODYtNjliMDIzYmY2NTI0uRXneWi4j8iJN4vYJQfGWJVDhk3ogkZmUda857GKGPgneo0xw+M7O5Tg/Z1WbfPPc+C5ncUpj1sHz5LUaU6uSyAO48f4CdpK3dn6UjErRUM=",
};

const text = "s3cret ".repeat(100_000);
const sealed = await localEncrypt(text, key, undefined, { layout: "native" });
postMessage((await localDecrypt(sealed, key)) === text ? "native: 700,000 bytes" : "wrong");
