/**
 * How far a long command has come: bytes, rate, time left.
 *
 * Owns the arithmetic and the line; whether there is a terminal to show it on, the run knows.
 *
 * @module
 */

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"] as const;
const UNIT_BYTES = 1024;

/** Milliseconds between two lines: ten a second are smooth, more would cost something. */
const INTERVAL_MS = 100;

const MS_PER_SECOND = 1_000;
const SECONDS_PER_MINUTE = 60;
const SECONDS_PER_HOUR = 3_600;

/** Shows lines now and then. */
export class Progress {
  readonly #show: (line: string) => void;
  readonly #total: number | undefined;
  readonly #now: () => number;
  readonly #since: number;
  #shownAt: number;

  /** @param total - bytes in all, where it is known */
  constructor(
    show: (line: string) => void,
    total: number | undefined,
    now: () => number = () => performance.now(),
  ) {
    this.#show = show;
    this.#total = total;
    this.#now = now;
    this.#since = this.#now();
    this.#shownAt = this.#since;
  }

  /** @param done - bytes so far */
  update(done: number): void {
    const now = this.#now();
    if (now - this.#shownAt < INTERVAL_MS) return;
    this.#shownAt = now;
    this.#show(progressLine(done, this.#total, (now - this.#since) / MS_PER_SECOND));
  }
}

/** Such as `512.0 MiB of 1.0 GiB (50%), 720.0 MiB/s, 1 s left`. */
export function progressLine(done: number, total: number | undefined, seconds: number): string {
  const rate = seconds > 0 ? done / seconds : 0;
  const speed = `${bytesText(rate)}/s`;
  if (total === undefined) return `${bytesText(done)}, ${speed}`;
  const percent = total === 0 ? 100 : Math.floor((100 * done) / total);
  const left = rate > 0 ? `, ${durationText((total - done) / rate)} left` : "";
  return `${bytesText(done)} of ${bytesText(total)} (${percent}%), ${speed}${left}`;
}

/** Such as `1.5 MiB`. */
export function bytesText(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= UNIT_BYTES && unit < UNITS.length - 1) {
    value /= UNIT_BYTES;
    unit += 1;
  }
  return `${unit === 0 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`;
}

function durationText(seconds: number): string {
  const whole = Math.max(0, Math.ceil(seconds));
  if (whole < SECONDS_PER_MINUTE) return `${whole} s`;
  if (whole < SECONDS_PER_HOUR)
    return `${Math.floor(whole / SECONDS_PER_MINUTE)} min ${whole % SECONDS_PER_MINUTE} s`;
  return `${Math.floor(whole / SECONDS_PER_HOUR)} h ${Math.floor((whole % SECONDS_PER_HOUR) / SECONDS_PER_MINUTE)} min`;
}
