/**
 * A soak: very many mixed requests, watching what the server's processes keep.
 *
 * Owns the mix and the samples. A failed request is a reason to fail; whether memory levels off, its reader judges.
 *
 * @module
 */
import { load, type MakeRequest } from "./client.ts";
import { processesOf, type Server } from "./servers.ts";

const CONNECTIONS = 16;
/** Requests between two samples. */
const SAMPLE_REQUESTS = 25_000;
/** One request in so many is a write, which waits for the disk. */
const WRITE_EVERY = 50;

/** A kind of request. */
export interface SoakOperation {
  readonly isWrite: boolean;
  readonly make: MakeRequest;
}

/** Sends `total` requests. @throws if one fails */
export async function soak(
  server: Server,
  operations: readonly SoakOperation[],
  total: number,
): Promise<void> {
  const reads = operations.filter(({ isWrite }) => !isWrite);
  const writes = operations.filter(({ isWrite }) => isWrite);
  const samples: object[] = [];
  let done = 0;
  const make: MakeRequest = (i) => {
    const at = done + i;
    const of = at % WRITE_EVERY === 0 ? writes : reads;
    return of[at % of.length]!.make(at);
  };
  while (done < total) {
    const requests = Math.min(SAMPLE_REQUESTS, total - done);
    const result = await load(server.port, CONNECTIONS, { requests }, make);
    if (result.failures > 0) throw new Error(`${result.failures} requests failed`);
    done += result.requests;
    const sample = {
      requests: done,
      perSecond: Math.round(requests / result.seconds),
      processes: processesOf(server),
    };
    samples.push(sample);
    console.error(JSON.stringify(sample));
  }
  console.log(JSON.stringify({ requests: done, failures: 0, samples }));
}
