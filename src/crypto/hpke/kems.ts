/**
 * The table of KEMs.
 *
 * Owns which there are. Must not know their insides.
 *
 * @module
 */
import type { Kem } from "./kem.ts";
import { X25519_KEM } from "./x25519-kem.ts";
import { X_WING } from "./xwing-kem.ts";

/** The KEMs by the names of their suites (docs/spec/sealed-data-key.md section 2). */
export const KEMS: Readonly<Record<Kem["name"], Kem>> = { x25519: X25519_KEM, "x-wing": X_WING };
