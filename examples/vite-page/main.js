// A page that opens a ciphertext with a data key that its server unwrapped for it. No other key is in the page.
//
//     npm install coffer vite
//     npx vite
import { inspect, localDecrypt, localEncrypt } from "coffer/crypto";

// Public sample values; a real page asks its own server for them.
const key = {
  dataKey: "hNjAWl++MJjDZ64dUeYlgJZDEbemRmdKvNHUnnRFUNg=",
  encryptedKeys:
    "V09TLkVLTS52MQAwMjA1ZTBlYy04MjhlLTU1OTQtOTZhYy1hNjhmYzgyNTdmYjcBATEBJGNmMjllNjhhLWYzMmQtNDI4YS05NDg2LTY5YjAyM2JmNjUyNAF0Y2YyOWU2OGEtZjMyZC00MjhhLTk0ODYtNjliMDIzYmY2NTI0uRXneWi4j8iJN4vYJQfGWJVDhk3ogkZmUda857GKGPgneo0xw+M7O5Tg/Z1WbfPPc+C5ncUpj1sHz5LUaU6uSyAO48f4CdpK3dn6UjErRUM=",
};

const text = await localEncrypt("s3cret", key, "user:42");
const plain = await localDecrypt(text, key, "user:42");
document.getElementById("result").textContent = `${inspect(text).layout}: ${plain}`;
