/**
 * A small assembler of WebAssembly modules: expressions in, bytes out.
 *
 * Owns the binary encoding (WebAssembly core specification 2.0, section 5, in one place not in the shortest form)
 * of the few instructions that coffer's module uses. Checks nothing: engines validate, and a test compiles what
 * comes out. Must not know what the module computes.
 *
 * @module
 */

/** Instructions that leave their results on the stack; they are put together by concatenation. */
export type Code = readonly number[];

/** The value types by their bytes (section 5.3): a 32-bit integer. */
export const I32 = 0x7f;
/** A vector of 16 bytes. */
export const V128 = 0x7b;
/** Any of the two. */
export type ValueType = typeof I32 | typeof V128;

const VOID_BLOCK = 0x40;
const END = 0x0b;

/** Unsigned LEB128 of a non-negative integer below 2^32. */
function uleb(value: number): number[] {
  const out: number[] = [];
  let rest = value;
  do {
    const low = rest & 0x7f;
    rest >>>= 7;
    out.push(rest === 0 ? low : low | 0x80);
  } while (rest !== 0);
  return out;
}

/** Signed LEB128 of a 32-bit integer. */
function sleb(value: number): number[] {
  const out: number[] = [];
  let rest = value | 0;
  for (;;) {
    const low = rest & 0x7f;
    rest >>= 7;
    const done = (rest === 0 && (low & 0x40) === 0) || (rest === -1 && (low & 0x40) !== 0);
    out.push(done ? low : low | 0x80);
    if (done) return out;
  }
}

/** A plain instruction of one byte behind its operands. */
const plain =
  (opcode: number) =>
  (...operands: readonly Code[]): Code => [...operands.flat(), opcode];

/** A SIMD instruction behind its operands. */
const simd =
  (opcode: number) =>
  (...operands: readonly Code[]): Code => [...operands.flat(), 0xfd, ...uleb(opcode)];

/** A SIMD instruction with a lane number. */
const lane =
  (opcode: number) =>
  (index: number, ...operands: readonly Code[]): Code => [...operands.flat(), 0xfd, ...uleb(opcode), index];

// Alignment 2^0: addresses of messages have none, and x86 and ARM do not ask for any.
const memarg = (offset: number): number[] => [0, ...uleb(offset)];

/** Instructions on 32-bit integers (section 5.4.7). */
export const i32 = {
  const: (value: number): Code => [0x41, ...sleb(value)],
  eqz: plain(0x45),
  eq: plain(0x46),
  ltU: plain(0x49),
  gtU: plain(0x4b),
  geU: plain(0x4f),
  add: plain(0x6a),
  sub: plain(0x6b),
} as const;

/** Instructions on 64-bit integers (section 5.4.7). */
export const i64 = {
  extendU: plain(0xad),
  shl: plain(0x86),
  const: (value: number): Code => [0x42, ...sleb(value)],
} as const;

/** Instructions on whole vectors (section 5.4.8). */
export const v128 = {
  load: (at: Code, offset = 0): Code => [...at, 0xfd, 0x00, ...memarg(offset)],
  store: (at: Code, value: Code, offset = 0): Code => [...at, ...value, 0xfd, 0x0b, ...memarg(offset)],
  /** @param bytes - 16 */
  const: (bytes: readonly number[]): Code => [0xfd, 0x0c, ...bytes],
  and: simd(0x4e),
  or: simd(0x50),
  xor: simd(0x51),
  anyTrue: simd(0x53),
} as const;

/** Instructions on vectors of 16 bytes (section 5.4.8). */
export const i8x16 = {
  /** @param lanes - 16 numbers; 0 to 15 choose from `a`, 16 to 31 from `b` */
  shuffle: (a: Code, b: Code, lanes: readonly number[]): Code => [...a, ...b, 0xfd, 0x0d, ...lanes],
  /**
   * Lanes with an index of 16 or more become zero. Written in a longer form than needed (LEB128 allows it), as
   * long as relaxed SIMD's swizzle, so that the one can be put in the other's place.
   */
  swizzle: (...operands: readonly Code[]): Code => [...operands.flat(), 0xfd, 0x8e, 0x00],
  /** The same for indices below 16 and from 128; what is in between is the engine's choice. */
  relaxedSwizzle: simd(0x100),
  splat: simd(0x0f),
  ltU: simd(0x26),
} as const;

/** Instructions on vectors of four 32-bit integers (section 5.4.8). */
export const i32x4 = {
  replaceLane: lane(0x1c),
  shl: simd(0xab),
  shrS: simd(0xac),
  shrU: simd(0xad),
  add: simd(0xae),
} as const;

/** Instructions on vectors of two 64-bit integers (section 5.4.8). */
export const i64x2 = {
  splat: simd(0x12),
  replaceLane: lane(0x1e),
  shl: simd(0xcb),
  shrU: simd(0xcd),
} as const;

/** Zeroes or sets `length` bytes at `at`. */
export const memoryFill = (at: Code, value: Code, length: Code): Code => [
  ...at,
  ...value,
  ...length,
  0xfc,
  0x0b,
  0x00,
];

/** A block that a branch starts again. */
export const loop = (...body: readonly Code[]): Code => [0x03, VOID_BLOCK, ...body.flat(), END];
/** A block that a branch leaves. */
export const block = (...body: readonly Code[]): Code => [0x02, VOID_BLOCK, ...body.flat(), END];
/** Runs `then` if the condition is not 0, else `otherwise`. */
export const when = (condition: Code, then: Code, otherwise?: Code): Code => [
  ...condition,
  0x04,
  VOID_BLOCK,
  ...then,
  ...(otherwise === undefined ? [] : [0x05, ...otherwise]),
  END,
];
/** Leaves the `depth`th block around, or goes back to the start if it is a loop. */
export const branchIf = (depth: number, condition: Code): Code => [...condition, 0x0d, ...uleb(depth)];

/** A local variable of a function. */
export class Local {
  readonly #index: number;

  constructor(index: number) {
    this.#index = index;
  }

  get get(): Code {
    return [0x20, ...uleb(this.#index)];
  }

  set(value: Code): Code {
    return [...value, 0x21, ...uleb(this.#index)];
  }
}

/** One function under construction. */
export class FunctionBuilder<P extends string = string> {
  readonly index: number;
  /** The parameters by name, in the order of the call's operands. */
  readonly parameters: Readonly<Record<P, Local>>;
  readonly types: readonly ValueType[];
  readonly results: readonly ValueType[];
  readonly #locals: ValueType[] = [];
  #body: Code = [];

  constructor(index: number, parameters: Readonly<Record<P, ValueType>>, results: readonly ValueType[]) {
    this.index = index;
    const names = Object.keys(parameters) as P[];
    this.types = names.map((name) => parameters[name]);
    this.parameters = byName(names, (n) => new Local(n));
    this.results = results;
  }

  local(type: ValueType): Local {
    this.#locals.push(type);
    return new Local(this.types.length + this.#locals.length - 1);
  }

  locals(type: ValueType, count: number): Local[] {
    return Array.from({ length: count }, () => this.local(type));
  }

  /** Locals of one type, by name. */
  namedLocals<K extends string>(type: ValueType, ...names: readonly K[]): Record<K, Local> {
    return byName(names, () => this.local(type));
  }

  body(...parts: readonly Code[]): void {
    this.#body = parts.flat();
  }

  call(...operands: readonly Code[]): Code {
    return [...operands.flat(), 0x10, ...uleb(this.index)];
  }

  encode(): number[] {
    const groups: [number, ValueType][] = [];
    for (const type of this.#locals) {
      const last = groups.at(-1);
      if (last?.[1] === type) last[0]++;
      else groups.push([1, type]);
    }
    const code = [
      ...uleb(groups.length),
      ...groups.flatMap(([count, type]) => [...uleb(count), type]),
      ...this.#body,
      END,
    ];
    return [...uleb(code.length), ...code];
  }
}

/** A module of functions and one memory of fixed size, which it exports as `memory`. */
export class ModuleBuilder {
  readonly #functions: FunctionBuilder[] = [];
  readonly #exports = new Map<string, FunctionBuilder>();
  readonly #pages: number;

  /** @param pages - of 64 KiB each; the memory never grows */
  constructor(pages: number) {
    this.#pages = pages;
  }

  /** Begins a function. @param parameters - types by name, in order */
  function<P extends string>(
    parameters: Readonly<Record<P, ValueType>>,
    results: readonly ValueType[] = [],
  ): FunctionBuilder<P> {
    const made = new FunctionBuilder(this.#functions.length, parameters, results);
    this.#functions.push(made);
    return made;
  }

  export(name: string, exported: FunctionBuilder): void {
    this.#exports.set(name, exported);
  }

  encode(): Uint8Array {
    const types = this.#functions.map((f) => [
      0x60,
      ...vector(f.types.map((type) => [type])),
      ...vector(f.results.map((type) => [type])),
    ]);
    const exports = [
      [...name("memory"), 0x02, 0x00],
      ...[...this.#exports].map(([text, f]) => [...name(text), 0x00, ...uleb(f.index)]),
    ];
    return Uint8Array.from([
      ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
      ...section(1, vector(types)),
      ...section(3, vector(this.#functions.map((f) => uleb(f.index)))),
      ...section(5, vector([[0x01, ...uleb(this.#pages), ...uleb(this.#pages)]])),
      ...section(7, vector(exports)),
      ...section(10, vector(this.#functions.map((f) => f.encode()))),
    ]);
  }
}

const byName = <K extends string>(names: readonly K[], make: (n: number) => Local): Record<K, Local> =>
  Object.fromEntries(names.map((name, n) => [name, make(n)])) as Record<K, Local>;
const vector = (items: readonly (readonly number[])[]): number[] => [...uleb(items.length), ...items.flat()];
const section = (id: number, content: readonly number[]): number[] => [
  id,
  ...uleb(content.length),
  ...content,
];
const name = (text: string): number[] => vector([...Buffer.from(text)].map((byte) => [byte]));
