/**
 * The floor of the load bench: a bare `node:http` server that parses a JSON body and answers with JSON of a given size.
 *
 * Owns nothing else. Run as a process: `node echo.ts`; prints its URL.
 *
 * @module
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

const SIZE_HEADER = "x-answer-bytes";

const server = createServer((request, response) => {
  const parts: Buffer[] = [];
  request.on("data", (part: Buffer) => parts.push(part));
  request.on("end", () => {
    const body = Buffer.concat(parts);
    const value = body.length > 0 ? (JSON.parse(body.toString()) as unknown) : null;
    const filler = "x".repeat(Math.max(0, Number(request.headers[SIZE_HEADER] ?? 0) - 40));
    const answer = JSON.stringify({ ok: value !== undefined, filler });
    response.writeHead(200, {
      "content-type": "application/json",
      "content-length": Buffer.byteLength(answer),
    });
    response.end(answer);
  });
});
server.keepAliveTimeout = 60_000;
server.listen(0, "127.0.0.1", () => {
  console.log(`listening on http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
process.on("SIGTERM", () => process.exit(0));
