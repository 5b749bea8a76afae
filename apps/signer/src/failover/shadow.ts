import type { ConnectBundle } from '@tributary/signing';
import type { Attempt, ProviderOperation } from './provider-operation.js';
import type { SignMetrics } from './sign-metrics.js';
import { type Asked, connectBy, type ConnectRequest, type ProviderName } from '../providers/provider.js';
import { AttemptStatistics, type AttemptReport } from './attempt-statistics.js';

export interface ShadowOptions {
  candidate: ProviderOperation;
  /** Share of requests, 0 to 1. */
  share: number;
  /** At once; requests beyond are left out. */
  runningMax: number;
  /** User agent for requests that name none. */
  userAgent: string;
  metrics: SignMetrics;
  random?: () => number;
}

/** Comparison of the shadow with the serving chain. Latencies are of requests that both have tried. */
export interface ShadowReport {
  provider: ProviderName;
  share: number;
  /** Requests that were not shadowed, because too many were running. */
  leftOut: number;
  /** Requests by who gave a bundle. */
  compared: { both: number; onlyServed: number; onlyShadow: number; neither: number };
  served: Pick<AttemptReport, 'failures' | 'recent'>;
  shadow: Pick<AttemptReport, 'failures' | 'recent'>;
}

/**
 * Runs a second provider beside the serving one for a share of requests, compares the outcomes, and drops its bundle. So an
 * operator learns whether the provider could serve. It never gets a client's own cookies.
 */
export class Shadow {
  private readonly served = new AttemptStatistics();
  private readonly own = new AttemptStatistics();
  private readonly compared = { both: 0, onlyServed: 0, onlyShadow: 0, neither: 0 };
  private readonly running = new Set<Promise<void>>();
  private readonly closing = new AbortController();
  private leftOut = 0;

  constructor(private readonly o: ShadowOptions) {}

  /** Begins the shadow's attempt if this request is in its share; call the returned function with the served attempt. */
  begin(request: Asked<ConnectRequest>): ((served: Attempt | undefined) => void) | undefined {
    if (request.cookies !== '' || this.closing.signal.aborted || (this.o.random ?? Math.random)() >= this.o.share) return undefined;
    if (this.running.size >= this.o.runningMax) {
      this.leftOut += 1;
      return undefined;
    }
    const { candidate } = this.o;
    const full = { ...request, userAgent: request.userAgent ?? this.o.userAgent };
    const attempt = candidate.attempt<ConnectBundle>(request.roomId, candidate.options.timeoutMs, this.closing.signal, (signal) =>
      connectBy(candidate.provider, full, signal),
    );
    let end: (served: Attempt | undefined) => void = () => undefined;
    const serving = new Promise<Attempt | undefined>((resolve) => (end = resolve));
    const run = Promise.all([attempt, serving])
      .then(([shadow, served]) => this.compare(served, shadow.attempt))
      .finally(() => this.running.delete(run));
    this.running.add(run);
    return end;
  }

  report(): ShadowReport {
    const { failures: servedFailures, recent: servedRecent } = this.served.report();
    const { failures, recent } = this.own.report();
    return {
      provider: this.o.candidate.provider.name,
      share: this.o.share,
      leftOut: this.leftOut,
      compared: { ...this.compared },
      served: { failures: servedFailures, recent: servedRecent },
      shadow: { failures, recent },
    };
  }

  /** Ends what is running. */
  async close(): Promise<void> {
    this.closing.abort();
    await Promise.all(this.running);
  }

  private compare(served: Attempt | undefined, shadow: Attempt): void {
    // A client that hung up, a shutdown and a resting shadow compare nothing.
    if (!served || this.closing.signal.aborted || shadow.skipped) return;
    const at = Date.now();
    this.served.add({ at, durationMs: served.durationMs, reason: served.reason }, served.message);
    this.own.add({ at, durationMs: shadow.durationMs, reason: shadow.reason }, shadow.message);
    const [a, b] = [served.reason === 'ok', shadow.reason === 'ok'];
    this.compared[a ? (b ? 'both' : 'onlyServed') : b ? 'onlyShadow' : 'neither'] += 1;
    this.o.metrics.shadowed(this.o.candidate.provider.name, served.reason, shadow.reason);
  }
}
