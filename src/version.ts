/**
 * The version of this package. A test holds it against package.json, which portable code cannot read.
 *
 * @module
 */
export const VERSION = "0.1.0";
