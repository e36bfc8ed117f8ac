/**
 * The rules of the house, applied to a source tree.
 *
 * Owns every rule about imports and names, and its message. The tables are in rooms.ts, the reading of files in
 * scan.ts, the one rule that needs a bundler in bundle.ts.
 *
 * @module
 */
import { readdirSync } from "node:fs";
import { isBuiltin } from "node:module";
import { dirname, join, relative, resolve } from "node:path";
import {
  isAbove,
  NODE_GLOBALS,
  PROVIDER_FILES,
  placeInRoom,
  ROOMS,
  type Room,
  RUNTIME_FILE,
  roomOf,
  SUBTLE_FILES,
} from "./rooms.ts";
import { type Import, type SourceFacts, scanFiles } from "./scan.ts";

export type Rule =
  | "unknown-room"
  | "layer"
  | "inner-layer"
  | "cycle"
  | "outside-src"
  | "unresolved"
  | "computed-import"
  | "package"
  | "portable-node"
  | "portable-global"
  | "provider"
  | "browser-bundle"
  | "engine-feature";

export interface Violation {
  /** Relative to the root of the repository. */
  readonly file: string;
  readonly line: number;
  readonly rule: Rule;
  readonly message: string;
}

/** One line: where, what, which rule. */
export const formatViolation = (v: Violation): string => `${v.file}:${v.line}: ${v.message} [${v.rule}]`;

/** An import of one source file by another; both relative to `src/`. */
interface Edge {
  readonly from: string;
  readonly to: string;
  readonly line: number;
}

/**
 * Applies every rule but the bundler's.
 *
 * @param root - the repository; the rules look at `src/` in it
 */
export function checkSources(root: string): Violation[] {
  const src = join(root, "src");
  const paths = readdirSync(src, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.[cm]?[jt]sx?$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  const known = new Set(paths);
  const violations: Violation[] = [];
  const edges: Edge[] = [];
  for (const [path, facts] of scanFiles(paths)) {
    const file = new FileCheck(src, path, known, violations, edges);
    file.check(facts);
  }
  checkCycles(edges, violations);
  return violations;
}

/** The rules for one file. */
class FileCheck {
  readonly #src: string;
  readonly #path: string;
  readonly #name: string;
  readonly #known: ReadonlySet<string>;
  readonly #violations: Violation[];
  readonly #edges: Edge[];

  constructor(src: string, path: string, known: ReadonlySet<string>, violations: Violation[], edges: Edge[]) {
    this.#src = src;
    this.#path = path;
    this.#name = relative(src, path);
    this.#known = known;
    this.#violations = violations;
    this.#edges = edges;
  }

  check(facts: SourceFacts): void {
    const room = roomOf(this.#name);
    if (room === undefined) {
      const rooms = ROOMS.map((r) => r.files?.join(" ") ?? `${r.name}/`).join(" < ");
      this.#report(1, "unknown-room", `belongs to no room; there are ${rooms} (tools/imports/rooms.ts)`);
      return;
    }
    for (const item of facts.imports) this.#import(room, item);
    this.#names(room, facts);
  }

  #import(room: Room, item: Import): void {
    const { specifier, line } = item;
    if (specifier === undefined) {
      this.#report(
        line,
        "computed-import",
        "the imported module is computed: name it, so that it can be checked",
      );
    } else if (specifier.startsWith(".") || specifier.startsWith("/")) {
      this.#relative(room, specifier, item);
    } else if (isBuiltin(specifier)) {
      this.#builtin(room, specifier, item);
    } else if (!isAllowedPackage(room, this.#name, specifier)) {
      this.#report(line, "package", `${room.name} may not import the package "${specifier}" here`);
    }
  }

  #relative(room: Room, specifier: string, { line }: Import): void {
    const target = resolve(dirname(this.#path), specifier);
    const to = relative(this.#src, target);
    if (to.startsWith("..")) {
      // The command prints the version of its own package.
      if (room.name === "cli" && to === join("..", "package.json")) return;
      this.#report(line, "outside-src", `src/ may not import what lies outside of it: "${specifier}"`);
      return;
    }
    if (!this.#known.has(target)) {
      this.#report(line, "unresolved", `there is no file "${specifier}" (imports name it with .ts)`);
      return;
    }
    const other = roomOf(to);
    if (other === undefined) return; // Reported where the other file is checked.
    if (isAbove(other, room)) {
      const message = `${room.name} may not import ${other.name}, which lies above it: "${specifier}"`;
      this.#report(line, "layer", message);
    }
    if (other !== room) return;
    // Types count: what a file must not know it must not name either.
    this.#edges.push({ from: this.#name, to, line });
    const own = placeInRoom(room, this.#name);
    const its = placeInRoom(room, to);
    if (own !== undefined && its !== undefined && its.place > own.place) {
      const message = `${room.name}/${own.row} may not import ${room.name}/${its.row}, which lies above it: "${specifier}"`;
      this.#report(line, "inner-layer", message);
    }
  }

  #builtin(room: Room, specifier: string, { line, typeOnly }: Import): void {
    if (specifier === "crypto" && !PROVIDER_FILES.test(this.#name)) {
      this.#report(line, "provider", 'only provider files of crypto/ may name Node\'s "crypto"');
    }
    if (room.portable && !typeOnly) {
      const message = `${room.name} is portable and may not import the Node module "${specifier}" at run time`;
      this.#report(line, "portable-node", message);
    }
  }

  #names(room: Room, facts: SourceFacts): void {
    if (room.portable && this.#name !== RUNTIME_FILE) {
      for (const { line, text } of facts.globals) {
        if (!NODE_GLOBALS.has(text)) continue;
        const message = `${room.name} is portable and may not use the global ${text}: ask src/${RUNTIME_FILE}`;
        this.#report(line, "portable-global", message);
      }
    }
    if (PROVIDER_FILES.test(this.#name)) return;
    const only = "only provider files of crypto/ may";
    for (const { line, text } of facts.strings) {
      if (/^(?:node:crypto|@noble)(?:\/|$)/.test(text))
        this.#report(line, "provider", `${only} name "${text}"`);
    }
    for (const { line, text } of facts.globals) {
      if (text === "crypto") this.#report(line, "provider", `${only} use the global crypto`);
    }
    if (SUBTLE_FILES.test(this.#name)) return;
    for (const { line } of facts.subtle) this.#report(line, "provider", `${only} use Web Crypto's .subtle`);
  }

  #report(line: number, rule: Rule, message: string): void {
    this.#violations.push({ file: join("src", this.#name), line, rule, message });
  }
}

function isAllowedPackage(room: Room, file: string, specifier: string): boolean {
  return room.packages.some(
    ({ name, files }) =>
      (specifier === name || specifier.startsWith(`${name}/`)) && (files === undefined || files.test(file)),
  );
}

/** Reports one shortest cycle through each file that lies on one, unless a reported cycle holds the file already. */
function checkCycles(edges: readonly Edge[], violations: Violation[]): void {
  const from = Map.groupBy(edges, (edge) => edge.from);
  const reported = new Set<string>();
  for (const start of [...from.keys()].sort()) {
    if (reported.has(start)) continue;
    const cycle = shortestCycle(start, from);
    if (cycle === undefined) continue;
    for (const edge of cycle) reported.add(edge.from);
    const path = [start, ...cycle.map((edge) => edge.to)].join(" -> ");
    violations.push({
      file: join("src", start),
      line: cycle[0]!.line,
      rule: "cycle",
      message: `files import each other in a circle: ${path}`,
    });
  }
}

/** Breadth first from `start` until it is met again. */
function shortestCycle(start: string, from: ReadonlyMap<string, readonly Edge[]>): Edge[] | undefined {
  const reachedBy = new Map<string, Edge>();
  const queue = [start];
  for (const file of queue) {
    for (const edge of from.get(file) ?? []) {
      if (reachedBy.has(edge.to)) continue;
      reachedBy.set(edge.to, edge);
      if (edge.to === start) return trace(start, reachedBy);
      queue.push(edge.to);
    }
  }
  return undefined;
}

function trace(start: string, reachedBy: ReadonlyMap<string, Edge>): Edge[] {
  const path: Edge[] = [];
  let at = start;
  do {
    const edge = reachedBy.get(at)!;
    path.unshift(edge);
    at = edge.from;
  } while (at !== start);
  return path;
}
