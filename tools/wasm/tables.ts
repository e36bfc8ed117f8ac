/**
 * The constants of the vector-permute AES, computed from the definition of AES and not copied from anywhere.
 *
 * Owns the change of basis from AES's field GF(2^8) (FIPS 197 section 4) to pairs over GF(2^4), in which an
 * inversion is four divisions of nibbles, and the permutations that stand for ShiftRows and MixColumns. The idea
 * is Mike Hamburg's ("Accelerating AES with Vector Permute Instructions", CHES 2009). Every table has 16 bytes,
 * so that a byte shuffle looks it up in a register. Must not know instructions.
 *
 * @module
 */

/** 16 bytes, looked up by a nibble. */
export type Table = readonly number[];

const range16 = Array.from({ length: 16 }, (_, i) => i);
const table = (of: (index: number) => number): Table => range16.map(of);

// --- GF(2^8) as AES has it: modulo x^8 + x^4 + x^3 + x + 1 (FIPS 197 section 4.2) ---

function multiply8(a: number, b: number): number {
  let product = 0;
  for (let i = 0, shifted = a; i < 8; i++) {
    if ((b >> i) & 1) product ^= shifted;
    shifted = (shifted << 1) ^ (shifted & 0x80 ? 0x11b : 0);
  }
  return product;
}

/** The linear part of the S-box: each bit plus the four above it, cyclically (FIPS 197 section 5.1.1). */
function affine(x: number): number {
  const rotated = (n: number): number => ((x << n) | (x >> (8 - n))) & 0xff;
  return x ^ rotated(1) ^ rotated(2) ^ rotated(3) ^ rotated(4);
}

/** The constant part of the S-box (FIPS 197 section 5.1.1). */
export const SBOX_CONSTANT = 0x63;

// --- GF(2^4), nibbles modulo y^4 + y + 1 ---

function multiply4(a: number, b: number): number {
  let product = 0;
  for (let i = 0, shifted = a; i < 4; i++) {
    if ((b >> i) & 1) product ^= shifted;
    shifted = (shifted << 1) ^ (shifted & 8 ? 0b10011 : 0);
  }
  return product;
}

const invert4 = (a: number): number => range16.find((b) => multiply4(a, b) === 1) ?? 0;
const divide4 = (a: number, b: number): number => multiply4(a, invert4(b));

// --- GF(2^8) as pairs over GF(2^4): k + i*theta, written as the byte (i << 4) | k ---

const bytes256 = Array.from({ length: 256 }, (_, i) => i);

/** A root of y^4 + y + 1 in GF(2^8): spans the subfield of 16 elements. */
const GAMMA = bytes256.find((x) => {
  const square = multiply8(x, x);
  return x > 1 && (multiply8(square, square) ^ x ^ 1) === 0;
})!;

/** A nibble as the element of GF(2^8) that it stands for. */
const embed4 = (nibble: number): number => {
  let power = 1;
  let sum = 0;
  for (let bit = 0; bit < 4; bit++) {
    if ((nibble >> bit) & 1) sum ^= power;
    power = multiply8(power, GAMMA);
  }
  return sum;
};

/** The first nibble for which z^2 + a*z + a has no root among the nibbles, so that it defines the extension. */
const A = range16.slice(1).find((a) => range16.every((z) => (multiply4(z, z) ^ multiply4(a, z) ^ a) !== 0))!;

/** A root of that polynomial in GF(2^8). */
const THETA = bytes256.find(
  (z) =>
    (multiply8(z, z) ^ multiply8(embed4(A), z) ^ embed4(A)) === 0 && !range16.some((n) => embed4(n) === z),
)!;

const fromPair = (pair: number): number => embed4(pair & 15) ^ multiply8(embed4(pair >> 4), THETA);
const toPair = (x: number): number => bytes256.find((pair) => fromPair(pair) === x)!;

/** AES's bytes to pairs, by low nibble. */
export const PAIR_LOW: Table = table((n) => toPair(n));
/** The same by high nibble. */
export const PAIR_HIGH: Table = table((n) => toPair(n << 4));

// --- the inversion ---
//
// The norm of x = k + i*theta is N = k^2 + a*i*k + a*i^2, and 1/x = (k + a*i + i*theta)/N. With j = i + k,
//   io = 1/(1/i + a/k) + j = N/(k + a*i)
//   jo = 1/(1/j + a/k) + i = N/(k + a*j)
// so 1/io and 1/jo are linear in the coordinates of 1/x, and whatever linear map follows is a table of io plus a
// table of jo. "Infinity" (1/0, a/0) is 0x80: a shuffle looks 0 up for it, and it stays infinite when a nibble is
// added, as it should.

const INFINITY = 0x80;

/** 1/n in GF(2^4). */
export const INVERSE: Table = table((n) => (n === 0 ? INFINITY : invert4(n)));
/** A/n in GF(2^4). */
export const A_OVER: Table = table((n) => (n === 0 ? INFINITY : divide4(A, n)));

/** 1/x from u = 1/io and t = 1/jo: k/N = (u + t)/a and i/N = (u + k/N)/a; as a byte of AES. */
function inverseFrom(u: number, t: number): number {
  const kOverNorm = divide4(u ^ t, A);
  const iOverNorm = divide4(u ^ kOverNorm, A);
  return embed4(u) ^ multiply8(embed4(iOverNorm), THETA);
}

const fromIo = (map: (x: number) => number): Table => table((io) => map(inverseFrom(invert4(io), 0)));
const fromJo = (map: (x: number) => number): Table => table((jo) => map(inverseFrom(0, invert4(jo))));

/** SubBytes without its constant, as pairs: the part that io decides. */
export const SUB_IO: Table = fromIo((x) => toPair(affine(x)));
/** The part that jo decides. */
export const SUB_JO: Table = fromJo((x) => toPair(affine(x)));
/** Twice the same (the 02 of MixColumns): the part that io decides. */
export const SUB2_IO: Table = fromIo((x) => toPair(multiply8(2, affine(x))));
/** The part that jo decides. */
export const SUB2_JO: Table = fromJo((x) => toPair(multiply8(2, affine(x))));
/** SubBytes without its constant, as AES's bytes, for the last round and the key schedule: the part that io decides. */
export const LAST_IO: Table = fromIo(affine);
/** The part that jo decides. */
export const LAST_JO: Table = fromJo(affine);

/** SubBytes of one byte by way of the tables, as the module computes it; a test holds it against FIPS 197. */
export function subByte(x: number): number {
  const look = (t: Table, index: number): number => (index < 16 ? t[index]! : 0);
  const pair = PAIR_LOW[x & 15]! ^ PAIR_HIGH[x >> 4]!;
  const i = pair >> 4;
  const k = pair & 15;
  const j = i ^ k;
  const aOverK = look(A_OVER, k);
  const io = look(INVERSE, look(INVERSE, i) ^ aOverK) ^ j;
  const jo = look(INVERSE, look(INVERSE, j) ^ aOverK) ^ i;
  return look(LAST_IO, io) ^ look(LAST_JO, jo) ^ SBOX_CONSTANT;
}

// --- permutations: byte i of the result is byte p[i] of the operand; byte r + 4c is row r, column c ---

const IDENTITY: Table = range16;
const compose = (first: Table, then: Table): Table => then.map((index) => first[index]!);
const power = (p: Table, n: number): Table => (n === 0 ? IDENTITY : compose(power(p, n - 1), p));
const inverse = (p: Table): Table => table((i) => p.indexOf(i));

/** ShiftRows (FIPS 197 section 5.1.2). */
const SHIFT_ROWS: Table = table((i) => (i & 3) + 4 * (((i >> 2) + (i & 3)) & 3));
/** Each column rotated by one row: MixColumns is 2 + 3*R + R^2 + R^3. */
const ROTATE: Table = table((i) => (((i & 3) + 1) & 3) + 4 * (i >> 2));

/**
 * ShiftRows is never done: the state after round n is kept as ShiftRows^-n of what AES has, which repeats after
 * four rounds. This is the permutation that a round key needs to fit.
 */
export const frame = (round: number): Table => power(inverse(SHIFT_ROWS), round & 3);

/** The rotation of columns in the frame of a round's result, forward (rows 1 up) and backward. */
export const rotation = (round: number): { forward: Table; backward: Table } => {
  const to = frame(round);
  const forward = compose(compose(inverse(to), ROTATE), to);
  return { forward, backward: inverse(forward) };
};

/** From the frame before the last round to AES's order, the last ShiftRows included. */
export const unframe = (rounds: number): Table => power(SHIFT_ROWS, rounds & 3);
