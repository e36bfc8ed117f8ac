/**
 * Metrics in Prometheus's text format (version 0.0.4).
 *
 * Owns counters and histograms of requests. Small on purpose: the usual library needs Node, this core runs anywhere.
 * Labels are route patterns, methods and statuses, never ids or names. Must not know what the routes do.
 *
 * @module
 */

/** Upper bounds of the latency buckets, in seconds. */
const BUCKETS_S = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

interface Series {
  readonly labels: string;
  readonly buckets: number[];
  count: number;
  sumSeconds: number;
}

/** What a process has counted, as plain data. */
export interface MetricsSnapshot {
  readonly startedAtSeconds: number;
  readonly inFlight: number;
  readonly series: readonly Readonly<Series>[];
}

/** Counts and times of requests since the start. */
export class Metrics {
  readonly #series = new Map<string, Series>();
  #startedAtSeconds = Date.now() / 1000;
  #inFlight = 0;

  /** Counts of several processes as those of one: it began when the first of them did. */
  static sumOf(snapshots: readonly MetricsSnapshot[]): Metrics {
    const sum = new Metrics();
    for (const { startedAtSeconds, inFlight, series } of snapshots) {
      sum.#startedAtSeconds = Math.min(sum.#startedAtSeconds, startedAtSeconds);
      sum.#inFlight += inFlight;
      for (const { labels, buckets, count, sumSeconds } of series) {
        const own = sum.#seriesOf(labels);
        for (const [i, n] of buckets.entries()) own.buckets[i]! += n;
        own.count += count;
        own.sumSeconds += sumSeconds;
      }
    }
    return sum;
  }

  /** What was counted so far. */
  snapshot(): MetricsSnapshot {
    return {
      startedAtSeconds: this.#startedAtSeconds,
      inFlight: this.#inFlight,
      series: [...this.#series.values()],
    };
  }

  /** Counts a request that has begun. @returns when, for `end` */
  begin(): number {
    this.#inFlight += 1;
    return performance.now();
  }

  /** Counts a request that has ended. @returns the milliseconds that it took */
  end(startedAt: number, method: string, route: string, status: number): number {
    const milliseconds = performance.now() - startedAt;
    this.#inFlight -= 1;
    this.#record(method, route, status, milliseconds / 1000);
    return milliseconds;
  }

  /** The exposition text. */
  render(): string {
    const lines = [
      "# HELP coffer_http_requests_in_flight Requests that are being answered.",
      "# TYPE coffer_http_requests_in_flight gauge",
      `coffer_http_requests_in_flight ${this.#inFlight}`,
      "# HELP coffer_process_start_time_seconds When the server began, since 1970.",
      "# TYPE coffer_process_start_time_seconds gauge",
      `coffer_process_start_time_seconds ${this.#startedAtSeconds.toFixed(3)}`,
      "# HELP coffer_http_request_duration_seconds How long requests took.",
      "# TYPE coffer_http_request_duration_seconds histogram",
    ];
    for (const series of this.#series.values()) {
      let below = 0;
      for (const [i, bound] of BUCKETS_S.entries()) {
        below += series.buckets[i]!;
        lines.push(`coffer_http_request_duration_seconds_bucket{${series.labels},le="${bound}"} ${below}`);
      }
      lines.push(
        `coffer_http_request_duration_seconds_bucket{${series.labels},le="+Inf"} ${series.count}`,
        `coffer_http_request_duration_seconds_sum{${series.labels}} ${series.sumSeconds.toFixed(6)}`,
        `coffer_http_request_duration_seconds_count{${series.labels}} ${series.count}`,
      );
    }
    return `${lines.join("\n")}\n`;
  }

  #record(method: string, route: string, status: number, seconds: number): void {
    const series = this.#seriesOf(`method="${method}",route="${route}",status="${status}"`);
    const bucket = BUCKETS_S.findIndex((bound) => seconds <= bound);
    if (bucket >= 0) series.buckets[bucket]! += 1;
    series.count += 1;
    series.sumSeconds += seconds;
  }
  #seriesOf(labels: string): Series {
    let series = this.#series.get(labels);
    if (series === undefined) {
      series = { labels, buckets: BUCKETS_S.map(() => 0), count: 0, sumSeconds: 0 };
      this.#series.set(labels, series);
    }
    return series;
  }
}
