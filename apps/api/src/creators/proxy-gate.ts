import type { Provider } from '@nestjs/common';
import { AddressPolicy, Gate, NameResolver } from '@tributary/outbound';
import { Config, ownPorts } from '@tributary/runtime';

/** Injection token of the {@link Gate} that judges where the proxies of creators may be. */
export const PROXY_GATE = Symbol('gate of the proxies of creators');

/** Its provider. A worker judges again at every connection: names may lead elsewhere by then. */
export const proxyGateProvider: Provider = {
  provide: PROXY_GATE,
  useFactory: (config: Config) =>
    new Gate(new AddressPolicy({ allowCidrs: config.proxyAllowCidrs, ownPorts: ownPorts(config) }), new NameResolver()),
  inject: [Config],
};
