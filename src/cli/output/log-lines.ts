/**
 * The lines of a server's log: those of one turn of the event loop go out in one write.
 *
 * Owns how lines wait and how they are put together. Must not know what they say, nor where they go.
 *
 * @module
 */

/**
 * Bytes of the largest write of several lines: what the system writes to a pipe in one piece (pipe(7), PIPE_BUF on Linux), so that
 * lines of several processes on one pipe stay whole.
 */
const WRITE_BYTES_MAX = 4_096;

/** A log that is written to. */
export interface LogLines {
  /** Adds a line: an object, as JSON in one line. */
  add(entry: object): void;
  /** Writes what waits, at the end of the process. */
  flush(write?: (text: string) => void): void;
}

/** @param write - takes whole lines, and does not throw */
export function logLines(write: (text: string) => void): LogLines {
  let waiting = "";
  const flush = (writeNow = write): void => {
    const text = waiting;
    waiting = "";
    if (text !== "") writeNow(text);
  };
  return {
    add(entry) {
      const line = `${JSON.stringify(entry)}\n`;
      // Counted in characters, of which a log of ids, codes and routes has no other than ASCII.
      if (waiting.length + line.length > WRITE_BYTES_MAX) flush();
      if (waiting === "") setImmediate(() => flush());
      waiting += line;
    },
    flush,
  };
}
