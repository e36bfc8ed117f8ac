/**
 * Routes: which of the patterns a path matches, and what stands in its variable segments.
 *
 * Owns the matching of paths. A segment is decoded once, after the path was taken apart, so that `%2F` in one is data.
 * Must not know what the routes do.
 *
 * @module
 */

/** What a pattern's variable segments hold, decoded. */
export type Parameters = Readonly<Record<string, string>>;

interface Pattern<Target> {
  /** A variable segment has a name, a fixed one a text. */
  readonly segments: readonly { readonly name?: string; readonly text?: string }[];
  readonly targets: Map<string, Target>;
}

/** What a router answers: what was found, or the methods that the path has; none if there is no such path. */
export type Found<Target> =
  | { readonly target: Target; readonly parameters: Parameters }
  | { readonly target: undefined; readonly methods: readonly string[] };

const NO_PARAMETERS: Parameters = Object.freeze({});

/** Finds targets by method and path. */
export class Router<Target> {
  readonly #patterns = new Map<string, Pattern<Target>>();
  /** By number of segments, in the order in which they were added. */
  readonly #byLength = new Map<number, Pattern<Target>[]>();
  /** Paths without variable segments, by themselves. */
  readonly #fixed = new Map<string, Pattern<Target>>();

  /** @param path - begins with a slash; `{name}` stands for one whole segment */
  add(method: string, path: string, target: Target): void {
    let pattern = this.#patterns.get(path);
    if (pattern === undefined) {
      const segments = path.split("/").map((text) => {
        const name = /^\{(\w+)\}$/.exec(text)?.[1];
        return name === undefined ? { text } : { name };
      });
      pattern = { segments, targets: new Map() };
      this.#patterns.set(path, pattern);
      const alike = this.#byLength.get(segments.length) ?? [];
      alike.push(pattern);
      this.#byLength.set(segments.length, alike);
      if (segments.every((segment) => segment.name === undefined)) this.#fixed.set(path, pattern);
    }
    pattern.targets.set(method, target);
  }

  /**
   * The first pattern that matches and has the method; where none has it, the first that matches tells the methods.
   *
   * @param path - without the query; its percent-encoding is that of UTF-8 text
   */
  find(method: string, path: string): Found<Target> {
    const fixed = this.#fixed.get(path)?.targets.get(method);
    if (fixed !== undefined) return { target: fixed, parameters: NO_PARAMETERS };
    const segments = path
      .split("/")
      .map((segment) => (segment.includes("%") ? decodeURIComponent(segment) : segment));
    let methods: readonly string[] = [];
    for (const pattern of this.#byLength.get(segments.length) ?? []) {
      if (!matches(pattern, segments)) continue;
      const target = pattern.targets.get(method);
      if (target !== undefined) return { target, parameters: parametersOf(pattern, segments) };
      if (methods.length === 0) methods = [...pattern.targets.keys()];
    }
    return { target: undefined, methods };
  }
}

/** An empty segment is none that a variable could stand for. */
function matches(pattern: Pattern<unknown>, segments: readonly string[]): boolean {
  return pattern.segments.every(({ text }, i) =>
    text === undefined ? segments[i] !== "" : segments[i] === text,
  );
}

function parametersOf(pattern: Pattern<unknown>, segments: readonly string[]): Parameters {
  const parameters: Record<string, string> = Object.create(null);
  for (const [i, { name }] of pattern.segments.entries()) {
    if (name !== undefined) parameters[name] = segments[i]!;
  }
  return parameters;
}
