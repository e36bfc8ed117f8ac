/**
 * The worked example of docs/spec/native-envelope.md, read from the page.
 *
 * Owns the reading. The page is the source: what stands here is only where to look.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { hex } from "./bytes.ts";
import { REPOSITORY_ROOT } from "./vectors.ts";

export interface NativeExample {
  readonly info: Uint8Array;
  /** 32 bytes. */
  readonly messageKey: Uint8Array;
  /** 12 bytes. */
  readonly baseNonce: Uint8Array;
  /** 32 bytes. */
  readonly commitment: Uint8Array;
  /** The envelope as base64. */
  readonly text: string;
  /** The table's bytes up to where the key blob is cut short. */
  readonly tableStart: Uint8Array;
  /** The table's bytes from the key blob's last two on. */
  readonly tableEnd: Uint8Array;
}

const HEX_BYTES = /(?:[0-9a-f]{2} )*[0-9a-f]{2}(?![0-9a-z])/;

export function nativeExample(): NativeExample {
  const page = readFileSync(join(REPOSITORY_ROOT, "docs/spec/native-envelope.md"), "utf8");
  const section = page.slice(page.indexOf("## 12. Worked example"));
  const [info, keys, table, text] = [...section.matchAll(/```\n(.*?)```/gs)].map((block) => block[1]!);
  const [before, after] = table!.split("...");
  return {
    info: tableBytes(info!),
    messageKey: namedBytes(keys!, "message key"),
    baseNonce: namedBytes(keys!, "base nonce"),
    commitment: namedBytes(keys!, "commitment"),
    text: text!.trim(),
    tableStart: tableBytes(before!),
    tableEnd: Uint8Array.from([
      ...bytesIn(after!.split("\n")[0]!),
      ...tableBytes(after!.split("\n").slice(1).join("\n")),
    ]),
  };
}

/** Lines of an offset, bytes, and what they are. */
function tableBytes(lines: string): Uint8Array {
  return Uint8Array.from(lines.split("\n").flatMap((line) => [...bytesIn(line.replace(/^ *\d+ {2}/, ""))]));
}

function namedBytes(lines: string, name: string): Uint8Array {
  return bytesIn(
    lines
      .split("\n")
      .find((line) => line.startsWith(name))!
      .slice(name.length),
  );
}

/** The first run of bytes in a line. */
function bytesIn(line: string): Uint8Array {
  return hex((HEX_BYTES.exec(line)?.[0] ?? "").replaceAll(" ", ""));
}
