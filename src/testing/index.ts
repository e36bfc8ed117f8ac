/**
 * `coffer/testing`: a vault in memory for tests of applications, whose calls can be made to fail. Portable.
 *
 * @module
 */

export { FAULT_CALLS_MAX, type FaultOptions, type TestOperation, type ThrottleOptions } from "./faults.ts";
export {
  createTestVault,
  type TestControl,
  type TestVault,
  type TestVaultOptions,
} from "./test-vault.ts";
