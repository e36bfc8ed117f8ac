/**
 * The name under which objects that hold keys can be disposed of by `using`.
 *
 * Owns what that name is where the engine has none of its own. Must not know what is disposed of.
 *
 * @module
 */

// Where the compiler's libraries know no `Symbol.dispose`, a name in a declaration must still be a unique symbol.
declare const UNKNOWN_TO_THE_LIBRARY: unique symbol;

/**
 * The type of `Symbol.dispose` if the user's TypeScript libraries have it, so that `using` compiles there. Declarations
 * that named it outright would not compile with the others (`esnext.disposable` is in none of the defaults).
 */
export type DisposeName = SymbolConstructor extends { readonly dispose: infer Name extends symbol }
  ? Name
  : typeof UNKNOWN_TO_THE_LIBRARY;

/** The type of `Symbol.asyncDispose`, likewise. */
export type AsyncDisposeName = SymbolConstructor extends { readonly asyncDispose: infer Name extends symbol }
  ? Name
  : typeof UNKNOWN_TO_THE_LIBRARY;

/** The engine's own `Symbol`, or what stands for one that lacks these names. */
interface Symbols {
  readonly dispose?: DisposeName;
  readonly asyncDispose?: AsyncDisposeName;
  for(name: string): symbol;
}

/**
 * `Symbol.dispose`; where the engine has none (WebKit 2.50, Safari), the registered symbol by which esbuild and Babel
 * look for it in the code that they make of `using`. A class that wrote `[Symbol.dispose]` there would have a method
 * called "undefined". Portable code of coffer's own does not write `using`: it calls `dispose`, which is everywhere.
 */
export const DISPOSE: DisposeName = /* @__PURE__ */ disposeName(Symbol);

/** `Symbol.asyncDispose`, or the registered symbol, likewise. */
export const ASYNC_DISPOSE: AsyncDisposeName = /* @__PURE__ */ asyncDisposeName(Symbol);

/** @param symbols - the engine's own `Symbol`, or what stands for one that lacks `dispose` */
export function disposeName(symbols: Symbols): DisposeName {
  return symbols.dispose ?? (symbols.for("Symbol.dispose") as DisposeName);
}

/** @param symbols - the engine's own `Symbol`, or what stands for one that lacks `asyncDispose` */
export function asyncDisposeName(symbols: Symbols): AsyncDisposeName {
  return symbols.asyncDispose ?? (symbols.for("Symbol.asyncDispose") as AsyncDisposeName);
}

/** Lends what holds a key to `work`, and disposes of it however that ends. */
export async function lend<Held extends { dispose(): void }, T>(
  held: Held,
  work: (held: Held) => T | Promise<T>,
): Promise<T> {
  try {
    return await work(held);
  } finally {
    held.dispose();
  }
}
