/** The same over the global `fetch`, which every other runtime sends by, and Node where a program has changed it. */
import { describe, vi } from "vitest";

vi.mock("../../src/http/built-in.ts", () => import("../../src/http/web.ts"));

describe("over fetch", async () => {
  await import("./transport.test.ts");
  await import("./other-services.test.ts");
});
