/**
 * Methods that work without their object: `const { encrypt } = vault`.
 *
 * Owns the binding. Must not know the methods.
 *
 * @module
 */

/**
 * Binds the methods of an object to it, those of its classes and of classes that extend them; the nearest one counts. They
 * can be replaced, and are not listed among the object's properties.
 */
export function bindMethods(object: object): void {
  const bound = new Set<PropertyKey>(["constructor"]);
  let type: object | null = Object.getPrototypeOf(object) as object | null;
  for (; type !== null && type !== Object.prototype; type = Object.getPrototypeOf(type) as object | null) {
    for (const name of Object.getOwnPropertyNames(type)) {
      const method: unknown = Object.getOwnPropertyDescriptor(type, name)?.value;
      if (bound.has(name) || typeof method !== "function") continue;
      bound.add(name);
      const value: unknown = method.bind(object);
      Object.defineProperty(object, name, { value, writable: true, configurable: true, enumerable: false });
    }
  }
}
