/** HPKE in base mode: RFC 9180's vectors, X-Wing's, and another implementation in both directions. */
import { ml_kem512, ml_kem768, ml_kem1024 } from "@noble/post-quantum/ml-kem.js";
import { describe, expect, test } from "vitest";
import type { runtime } from "../../src/base/runtime.ts";
import { HERE } from "../../src/crypto/ciphers/of-call.ts";
import type { GivenMlKem } from "../../src/crypto/hpke/given-ml-kem.ts";
import type { MlKem } from "../../src/crypto/hpke/kem.ts";
import { KEMS } from "../../src/crypto/hpke/kems.ts";
import { nodeMlKem } from "../../src/crypto/hpke/ml-kem-node.ts";
import { type MlKem768, mlKemOf } from "../../src/crypto/hpke/ml-kem-peer.ts";
import { keySchedule } from "../../src/crypto/hpke/schedule.ts";
import { sealedTools } from "../../src/crypto/sealed/tools.ts";
import { hex, toHexText } from "../support/bytes.ts";
import { errorOf, rejectionOf } from "../support/errors.ts";
import { runPeerCases } from "../support/hpke-peer.ts";
import { describeVectors, reportChecked } from "../support/vectors.ts";

interface Vector {
  readonly mode: number;
  readonly kem_id: number;
  readonly kdf_id: number;
  readonly aead_id: number;
  readonly info: string;
  readonly skRm: string;
  readonly pkRm: string;
  readonly skEm?: string;
  readonly ikmE?: string;
  readonly enc: string;
  readonly shared_secret: string;
  readonly key: string;
  readonly base_nonce: string;
  readonly encryptions: readonly { aad: string; ct: string; nonce: string; pt: string }[];
  readonly exports: readonly { exporter_context: string; L: number; exported_value: string }[];
}

const tools = sealedTools(HERE);
const hasMlKem = tools.mlKem !== undefined;
const mlKemBy = (peer: MlKem768): MlKem => (mlKemOf(peer) as GivenMlKem).mlKem;
const peerTools = { ...tools, mlKem: mlKemBy(ml_kem768) };
/** X-Wing by the runtime's own ML-KEM, where it has one, and by a package's. */
const X_WING_TOOLS = [...(hasMlKem ? [["built in", tools] as const] : []), ["a peer", peerTools] as const];
const LOW_ORDER = hex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800");

function checkSchedule(kemId: number, sharedSecret: Uint8Array, vector: Vector): void {
  const secrets = keySchedule(kemId, sharedSecret, hex(vector.info), vector.aead_id);
  expect(toHexText(secrets.key)).toBe(vector.key);
  expect(toHexText(secrets.nonce)).toBe(vector.base_nonce);
  for (const { exporter_context, L, exported_value } of vector.exports) {
    expect(toHexText(secrets.export(hex(exporter_context), L))).toBe(exported_value);
  }
  if (vector.aead_id !== 2) return;
  for (const { aad, ct, nonce, pt } of vector.encryptions) {
    const sealed = HERE.providers.sync().importKey(secrets.key).seal(hex(nonce), hex(pt), hex(aad));
    expect(toHexText(sealed)).toBe(ct);
  }
  secrets.dispose();
  expect([...secrets.key, ...secrets.nonce].every((byte) => byte === 0)).toBe(true);
}

describeVectors("HPKE, DHKEM(X25519)", "hpke-rfc9180/x25519-hkdf-sha256-base.json", (file) => {
  test("RFC 9180: KEM, key schedule, messages and exports ([SDK-4])", async () => {
    const vectors = file.json<Vector[]>().filter(({ key }) => key.length === 64);
    expect(vectors.map(({ aead_id }) => aead_id)).toContain(2);
    for (const vector of vectors) {
      const made = KEMS.x25519.encapsulate(tools, hex(vector.pkRm), hex(vector.skEm!));
      const later = await KEMS.x25519.encapsulateLater(tools, hex(vector.pkRm), hex(vector.skEm!));
      expect(later).toEqual(made);
      expect(toHexText(made.enc)).toBe(vector.enc);
      expect(toHexText(made.sharedSecret)).toBe(vector.shared_secret);
      expect(toHexText(KEMS.x25519.publicKey(tools, hex(vector.skRm)))).toBe(vector.pkRm);
      const secret = KEMS.x25519.hold(tools, hex(vector.skRm)).decapsulate(hex(vector.enc))!;
      expect(toHexText(secret)).toBe(vector.shared_secret);
      checkSchedule(vector.kem_id, secret, vector);
    }
    reportChecked(vectors.length, "vectors of HPKE with DHKEM(X25519)");
  });
});

describeVectors("HPKE, X-Wing", "hpke-pq/test-vectors.json", (file) => {
  const vectors = () => file.json<Vector[]>().filter(({ kem_id }) => kem_id === KEMS["x-wing"].id);

  test.each(X_WING_TOOLS)("KEM and key schedule, with ML-KEM by %s", (_, tools) => {
    expect(vectors()).not.toEqual([]);
    for (const vector of vectors()) {
      expect(toHexText(KEMS["x-wing"].publicKey(tools, hex(vector.skRm)))).toBe(vector.pkRm);
      const secret = KEMS["x-wing"].hold(tools, hex(vector.skRm)).decapsulate(hex(vector.enc))!;
      expect(toHexText(secret)).toBe(vector.shared_secret);
      // The others are derived by SHAKE, which no suite of coffer's uses.
      if (vector.kdf_id === 1) checkSchedule(vector.kem_id, secret, vector);
    }
    reportChecked(vectors().length, "vectors of X-Wing");
  });

  test("a peer encapsulates to the same bytes, given the same random ones", async () => {
    for (const { ikmE, pkRm, enc, shared_secret } of vectors()) {
      const random = hex(ikmE!);
      const mlKem = mlKemBy({
        ...ml_kem768,
        encapsulate: (key, drawn) =>
          // The known answer asks with a message of its own.
          ml_kem768.encapsulate(key, drawn.every((byte) => byte === 2) ? drawn : random.subarray(0, 32)),
      });
      const fixed = { ...tools, mlKem };
      const make = [KEMS["x-wing"].encapsulate, KEMS["x-wing"].encapsulateLater];
      for (const encapsulate of make) {
        const made = await encapsulate(fixed, hex(pkRm), random.subarray(32));
        expect(toHexText(made.enc)).toBe(enc);
        expect(toHexText(made.sharedSecret)).toBe(shared_secret);
      }
    }
    reportChecked(vectors().length, "vectors of X-Wing, encapsulated by a peer");
  });
});

describe.each([
  ["x25519", KEMS.x25519, tools] as const,
  ...X_WING_TOOLS.map(([by, tools]) => [`x-wing, with ML-KEM by ${by}`, KEMS["x-wing"], tools] as const),
])("%s", (_, kem, tools) => {
  const privateKey = new Uint8Array(32).fill(7);
  const ephemeral = new Uint8Array(32).fill(9);
  const publicKey = kem.publicKey(tools, privateKey);

  test("what is made is what is found, at once and later", async () => {
    expect(publicKey).toHaveLength(kem.publicKeyBytes);
    expect(kem.isPublicKey(publicKey)).toBe(true);
    expect(kem.isPublicKey(publicKey.subarray(1))).toBe(false);
    for (const made of [
      kem.encapsulate(tools, publicKey, ephemeral),
      await kem.encapsulateLater(tools, publicKey, ephemeral),
    ]) {
      expect(made.enc).toHaveLength(kem.encBytes);
      expect(kem.hold(tools, privateKey).decapsulate(made.enc)).toEqual(made.sharedSecret);
      expect(kem.hold(tools, privateKey, publicKey).decapsulate(made.enc)).toEqual(made.sharedSecret);
    }
  });

  test("points of low order are refused on both sides ([SDK-8])", async () => {
    const low = Uint8Array.from(publicKey);
    low.set(LOW_ORDER, low.length - 32);
    expect(kem.isPublicKey(low)).toBe(false);
    const refusal = { code: "ERR_RECIPIENT_INVALID" };
    expect(errorOf(() => kem.encapsulate(tools, low, ephemeral))).toMatchObject(refusal);
    expect(await rejectionOf(() => kem.encapsulateLater(tools, low, ephemeral))).toMatchObject(refusal);
    const { enc } = kem.encapsulate(tools, publicKey, ephemeral);
    enc.set(LOW_ORDER, enc.length - 32);
    expect(kem.hold(tools, privateKey).decapsulate(enc)).toBeUndefined();
  });
});

describe("ML-KEM", () => {
  test.skipIf(!hasMlKem)("a peer and the runtime open what the other has made, and reject alike", () => {
    const privateKey = new Uint8Array(32).fill(7);
    const [here, peer] = [tools, peerTools];
    const wing = KEMS["x-wing"];
    const publicKey = wing.publicKey(here, privateKey);
    expect(wing.publicKey(peer, privateKey)).toEqual(publicKey);
    for (const [one, other] of [
      [here, peer],
      [peer, here],
    ] as const) {
      const { enc, sharedSecret } = wing.encapsulate(one, publicKey, new Uint8Array(32).fill(9));
      expect(wing.hold(other, privateKey).decapsulate(enc)).toEqual(sharedSecret);
      enc[0]! ^= 1;
      const rejected = wing.hold(other, privateKey).decapsulate(enc);
      expect(rejected).not.toEqual(sharedSecret);
      expect(rejected).toEqual(wing.hold(one, privateKey).decapsulate(enc));
    }
  });

  test("what does not compute ML-KEM-768 is no peer, nor is anything else an argument", () => {
    const wrong = [
      undefined,
      null,
      {},
      ml_kem512,
      ml_kem1024,
      { ...ml_kem768, decapsulate: () => new Uint8Array(32) },
      { ...ml_kem768, keygen: () => ml_kem768.keygen(new Uint8Array(64)) },
    ];
    for (const peer of wrong) {
      expect(errorOf(() => mlKemOf(peer as never))).toMatchObject({ code: "ERR_INVALID_ARGUMENT" });
    }
    for (const given of [ml_kem768, peerTools.mlKem]) {
      expect(errorOf(() => sealedTools(HERE, undefined, given as never))).toMatchObject({
        code: "ERR_INVALID_ARGUMENT",
      });
    }
    expect(sealedTools(HERE, undefined, mlKemOf(ml_kem768)).mlKem).toBeDefined();
  });

  test("X-Wing says so where nothing has it", () => {
    expect(nodeMlKem(undefined)).toBeUndefined();
    expect(nodeMlKem({} as typeof runtime.crypto)).toBeUndefined();
    const without = { ...tools, mlKem: undefined };
    const attempt = () => KEMS["x-wing"].publicKey(without, new Uint8Array(32));
    expect(errorOf(attempt)).toMatchObject({ code: "ERR_UNSUPPORTED" });
  });
});

describe("another implementation", () => {
  test("opens what coffer seals, and the reverse ([SDK-4])", async () => {
    expect(await runPeerCases(100, 20261127)).toBe(200);
  });
});
