/**
 * The name under which objects that hold keys can be disposed of by `using`.
 *
 * Owns what that name is where the engine has none of its own. Must not know what is disposed of.
 *
 * @module
 */

/**
 * `Symbol.dispose`; where the engine has none (WebKit 2.50, Safari), the registered symbol by which esbuild and Babel
 * look for it in the code that they make of `using`. A class that wrote `[Symbol.dispose]` there would have a method
 * called "undefined". Portable code of coffer's own does not write `using`: it calls `dispose`, which is everywhere.
 */
export const DISPOSE: typeof Symbol.dispose = disposeName(Symbol);

/** @param symbols - the engine's own `Symbol`, or what stands for one that lacks `dispose` */
export function disposeName(symbols: {
  readonly dispose?: typeof Symbol.dispose;
  for(name: string): symbol;
}): typeof Symbol.dispose {
  return symbols.dispose ?? (symbols.for("Symbol.dispose") as typeof Symbol.dispose);
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
