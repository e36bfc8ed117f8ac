/** X25519 and Ed25519: published vectors on each provider, points that are refused, and the choice between providers. */
import { describe, expect, test } from "vitest";
import { runtime } from "../../src/base/runtime.ts";
import { Curves } from "../../src/crypto/curves/choose.ts";
import {
  type CurveProvider,
  type CurveRow,
  isX25519PublicKey,
  type SyncCurveProvider,
  X25519_BASE,
} from "../../src/crypto/curves/curve.ts";
import { NODE_CURVES_ROW, nodeCurves } from "../../src/crypto/curves/node.ts";
import { NACL_CURVES_ROW, naclCurves } from "../../src/crypto/curves/tweetnacl.ts";
import { HERE_CURVES as WEB_CURVES } from "../../src/crypto/curves/web.ts";
import { WEB_CURVES_ROW, webCurves } from "../../src/crypto/curves/webcrypto.ts";
import { hex, toHexText, utf8Bytes } from "../support/bytes.ts";
import { errorOf, rejectionOf } from "../support/errors.ts";
import { describeVectors, reportChecked } from "../support/vectors.ts";

const PROVIDERS: readonly CurveProvider[] = [
  nodeCurves(runtime.crypto!),
  webCurves(runtime.webcrypto!.subtle),
  naclCurves,
];
const SYNC = PROVIDERS.filter((provider): provider is SyncCurveProvider => provider.isSync);
const named = <P extends CurveProvider>(providers: readonly P[]) =>
  providers.map((provider) => [provider.name, provider] as const);

/** RFC 8032 section 7.1, test 2. */
const SEED = hex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
const PUBLIC_KEY = hex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
const SIGNATURE = hex(
  "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
);
const MESSAGE = hex("72");

interface Wycheproof {
  readonly testGroups: readonly {
    readonly tests: readonly {
      readonly tcId: number;
      readonly public: string;
      readonly private: string;
      readonly shared: string;
      readonly flags: readonly string[];
    }[];
  }[];
}

test.each(named(PROVIDERS))(
  "%s: a scalar that is held gives the products of one that is not ([SDK-8])",
  async (_, provider) => {
    const scalar = new Uint8Array(32).fill(7);
    const given = Uint8Array.from(scalar);
    const point = naclCurves.multiply(new Uint8Array(32).fill(9), X25519_BASE)!;
    const held = provider.hold(given);
    // It was read: whose it is may wipe it.
    given.fill(0);
    const products = await Promise.all([X25519_BASE, point, new Uint8Array(32), point].map(held.multiply));
    held.dispose();
    const expected = [X25519_BASE, point, new Uint8Array(32), point].map((one) =>
      naclCurves.multiply(scalar, one),
    );
    expect(products).toEqual(expected);
    expect(products[2]).toBeUndefined();
  },
);

describeVectors("X25519", "wycheproof/x25519_test.json", (file) => {
  test.each(named(PROVIDERS))(
    "%s: every case, and a result of zeros is refused ([SDK-8])",
    async (name, provider) => {
      let checked = 0;
      for (const { tests } of file.json<Wycheproof>().testGroups) {
        for (const { tcId, public: point, private: scalar, shared, flags } of tests) {
          const result = await provider.multiply(hex(scalar), hex(point));
          const expected = flags.includes("ZeroSharedSecret") ? undefined : shared;
          expect(result && toHexText(result), `case ${tcId}`).toBe(expected);
          checked++;
        }
      }
      expect(checked).toBe(518);
      reportChecked(checked, `cases of X25519 by ${name}`);
    },
  );

  test("no public key of low order or not below the prime is accepted ([SDK-8])", () => {
    const refused = file
      .json<Wycheproof>()
      .testGroups.flatMap(({ tests }) => tests)
      .filter(({ public: point }) => !isX25519PublicKey(hex(point)));
    for (const { flags } of refused) {
      expect(flags.includes("LowOrderPublic") || flags.includes("NonCanonicalPublic")).toBe(true);
    }
    const low = file
      .json<Wycheproof>()
      .testGroups.flatMap(({ tests }) => tests)
      .filter(({ flags }) => flags.includes("LowOrderPublic") || flags.includes("NonCanonicalPublic"));
    expect(low.filter(({ public: point }) => isX25519PublicKey(hex(point)))).toEqual([]);
    expect(low.length).toBeGreaterThan(30);
  });
});

describe("X25519", () => {
  test("public keys of other lengths are none", () => {
    expect(isX25519PublicKey(X25519_BASE)).toBe(true);
    expect(isX25519PublicKey(X25519_BASE.subarray(1))).toBe(false);
    expect(isX25519PublicKey(hex(`ee${"ff".repeat(30)}7f`))).toBe(false);
  });
});

describe("Ed25519", () => {
  test.each(named(PROVIDERS))("%s verifies RFC 8032's signature and no other", async (_, provider) => {
    expect(await provider.verify(PUBLIC_KEY, MESSAGE, SIGNATURE)).toBe(true);
    expect(await provider.verify(PUBLIC_KEY, hex("73"), SIGNATURE)).toBe(false);
    // The same signature with the group's order added to its second half (RFC 8032 section 5.1.7).
    const larger = hex(
      `${toHexText(SIGNATURE.subarray(0, 32))}f52db7415978abc61b2c2eb6aeebfca0387b2eaeb4302aeeb00d291612bb0c10`,
    );
    expect(await provider.verify(PUBLIC_KEY, MESSAGE, larger)).toBe(false);
    const altered = Uint8Array.from(SIGNATURE);
    altered[0]! ^= 1;
    expect(await provider.verify(PUBLIC_KEY, MESSAGE, altered)).toBe(false);
  });

  test.each(named(SYNC))("%s signs as RFC 8032 says", (_, provider) => {
    expect([...provider.signingPublicKey(SEED)]).toEqual([...PUBLIC_KEY]);
    expect([...provider.sign(SEED, MESSAGE)]).toEqual([...SIGNATURE]);
    expect(naclCurves.verify(PUBLIC_KEY, utf8Bytes("ab"), provider.sign(SEED, utf8Bytes("ab")))).toBe(true);
  });
});

test("where node:crypto makes no public key of a private one of Ed25519, as on Bun 1.2", () => {
  const crypto = runtime.crypto!;
  const createPublicKey: typeof crypto.createPublicKey = (key) => {
    if ((key as { type?: unknown }).type === "private") throw new TypeError("Invalid Ed25519 key material");
    return crypto.createPublicKey(key);
  };
  const provider = nodeCurves({ ...crypto, createPublicKey });
  // Also seeds whose public keys have each letter of base64url.
  for (let i = 0; i < 16; i++) {
    const seed = new Uint8Array(32).fill(i);
    expect([...provider.signingPublicKey(seed)]).toEqual([...naclCurves.signingPublicKey(seed)]);
  }
});

describe("the choice of curves", () => {
  const NODE = { crypto: runtime.crypto, webcrypto: runtime.webcrypto };
  const EDGE = { crypto: undefined, webcrypto: runtime.webcrypto };
  const BARE = { crypto: undefined, webcrypto: undefined };
  const ALL = [NODE_CURVES_ROW, WEB_CURVES_ROW, NACL_CURVES_ROW];

  test.each([
    ["Node", NODE, "node", "node"],
    ["an edge runtime", EDGE, "tweetnacl", "webcrypto"],
    ["a runtime with nothing", BARE, "tweetnacl", "tweetnacl"],
  ] as const)("on %s", async (_, available, sync, async) => {
    const curves = new Curves(ALL, available);
    expect(curves.sync().name).toBe(sync);
    expect((await curves.async()).name).toBe(async);
  });

  test("without tweetnacl a browser answers later only, and an old one not at all", async () => {
    const curves = new Curves([WEB_CURVES_ROW], EDGE);
    expect(errorOf(() => curves.sync())).toMatchObject({ code: "ERR_UNSUPPORTED" });
    expect((await curves.async()).name).toBe("webcrypto");
    expect(curves.with(NACL_CURVES_ROW).sync().name).toBe("tweetnacl");
    expect(curves.with(WEB_CURVES_ROW)).toBe(curves);
    expect(await rejectionOf(() => new Curves([WEB_CURVES_ROW], BARE).async())).toMatchObject({
      code: "ERR_UNSUPPORTED",
    });
    expect((await WEB_CURVES.async()).name).toBe("webcrypto");
  });

  test("a provider that computes wrongly, or lacks the curve, is passed over", async () => {
    const wrong: CurveRow = {
      name: "node",
      start: () => ({ ...naclCurves, multiply: () => new Uint8Array(32) }),
    };
    const zero: CurveRow = { name: "node", start: () => ({ ...naclCurves, multiply: () => undefined }) };
    const lacking: CurveRow = {
      name: "webcrypto",
      start: () => ({
        ...webCurves(runtime.webcrypto!.subtle),
        multiply: () => Promise.reject(new Error("no")),
      }),
    };
    const unsigned: CurveRow = { name: "node", start: () => ({ ...naclCurves, verify: () => false }) };
    const throwing: CurveRow = {
      name: "node",
      start: () => ({
        ...naclCurves,
        multiply: () => {
          throw new Error("no");
        },
      }),
    };
    const curves = new Curves([wrong, zero, unsigned, throwing, lacking, NACL_CURVES_ROW], BARE);
    expect(curves.sync().name).toBe("tweetnacl");
    expect((await curves.async()).name).toBe("tweetnacl");
  });
});
