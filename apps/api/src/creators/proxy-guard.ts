import { Injectable } from '@nestjs/common';
import { AddressPolicy, NameResolver, SsrfGuard } from '@tributary/outbound';
import { Config, ownPorts } from '@tributary/runtime';

/** Judges where the proxies of creators may be. A worker judges again at every connection: names may lead elsewhere by then. */
@Injectable()
export class ProxyGuard extends SsrfGuard {
  constructor(config: Config) {
    super(new AddressPolicy({ allowCidrs: config.proxyAllowCidrs, ownPorts: ownPorts(config) }), new NameResolver());
  }
}
