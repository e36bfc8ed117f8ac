/** The key service that other tests spy with fulfils the contract too, so that they test against the port. */
import { keyServiceContract } from "../contract/key-service.ts";
import { MemoryKeyService } from "../support/memory-service.ts";

for (const tellsContext of [true, false]) {
  keyServiceContract(
    `in memory, for tests, ${tellsContext ? "with" : "without"} contexts`,
    async () => {
      const service = new MemoryKeyService({ tellsContext });
      return {
        service,
        foreign: new MemoryKeyService(),
        tellsContext,
        stall: async () => {
          const goOn = service.hold();
          return async () => goOn();
        },
        close: async () => {},
      };
    },
    { hasKeks: false },
  );
}
