import { AddressPolicy, SsrfGuard, NameResolver } from '@tributary/outbound';
import { type Config, type Logger, ownPorts } from '@tributary/runtime';
import { type ProxyRoute, readProxy } from '@tributary/webcast';

/** Proxies whose last failure is remembered, so that it is logged once and not at every poll. */
const FAILURES_KEPT_MAX = 1_000;

/**
 * Routes through the proxies of creators. Whoever may add creators chooses the proxies, so the SSRF guard checks each
 * connection. The cause of a failure goes to the log alone, because readers of creators see their errors.
 */
export class ProxyRoutes {
  private readonly guard: SsrfGuard;
  private readonly failures = new Map<string, string>();

  constructor(
    config: Config,
    private readonly logger: Logger,
    names = new NameResolver(),
  ) {
    this.guard = new SsrfGuard(new AddressPolicy({ allowCidrs: config.proxyAllowCidrs, ownPorts: ownPorts(config) }), names);
  }

  /** @param url of a proxy, as `readProxy` gave it */
  to(url: string): ProxyRoute {
    return { url, guard: this.guard, onFailure: (detail) => this.failed(url, detail) };
  }

  close(): void {
    this.guard.close();
  }

  private failed(url: string, detail: string): void {
    const read = readProxy(url);
    const shown = read.ok ? read.shown : '';
    if (this.failures.get(shown) === detail) return;
    if (this.failures.size >= FAILURES_KEPT_MAX) this.failures.clear();
    this.failures.set(shown, detail);
    this.logger.warn(
      { proxy: shown, detail },
      'the proxy of a creator cannot be reached; PROXY_ALLOW_CIDRS opens private networks to proxies',
    );
  }
}
