import type { Provider } from '@nestjs/common';
import { AddressPolicy, SsrfGuard, NameResolver } from '@tributary/outbound';
import { Config, ownPorts } from '@tributary/runtime';

/** Injection token of the {@link SsrfGuard} that judges where the proxies of creators may be. */
export const PROXY_GUARD = Symbol('guard of the proxies of creators');

/** Its provider. A worker judges again at every connection: names may lead elsewhere by then. */
export const proxyGuardProvider: Provider = {
  provide: PROXY_GUARD,
  useFactory: (config: Config) =>
    new SsrfGuard(new AddressPolicy({ allowCidrs: config.proxyAllowCidrs, ownPorts: ownPorts(config) }), new NameResolver()),
  inject: [Config],
};
