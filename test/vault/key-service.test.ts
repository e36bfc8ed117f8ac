/** The embedded key service fulfils the contract of all key services, on a file and in memory. */
import { keyServiceContract } from "../contract/key-service.ts";
import { freshPath, openTestHost, sessionOf, stallFile } from "../support/vaults.ts";

for (const where of ["a file", "memory"] as const) {
  keyServiceContract(`embedded, in ${where}`, async () => {
    const path = where === "memory" ? undefined : freshPath();
    const host = await openTestHost(path === undefined ? {} : { path });
    const session = await sessionOf(host);
    return {
      service: session.keys,
      foreign: (await sessionOf(host, "other")).keys,
      keks: {
        rotate: (name, value) => session.keks.rotate({ name, value }),
        disable: (name, value) => session.keks.disable({ name, value }),
        enable: (name, value) => session.keks.enable({ name, value }),
        shred: (name, value) => session.keks.shred({ name, value }),
      },
      tellsContext: true,
      stall: path === undefined ? undefined : () => stallFile(path),
      close: () => host.close(),
    };
  });
}
