import { HttpSigner } from '@tributary/signing';
import type { Config } from '@tributary/runtime';
import { isTikTok } from '../tiktok/hosts.js';
import type { Upstream } from '../tiktok/upstream.js';
import { AnonymousProvider } from './anonymous.js';
import type { ProviderName, SignProvider } from './provider.js';
import { RemoteProvider } from './remote.js';
import { SimulatorProvider } from './simulator.js';

/** Makes the configured providers, in the order in which they are tried. @throws Error that names the setting that is wrong. */
export function makeProviders(config: Config, upstream: Upstream): SignProvider[] {
  const names = config.signProviders as ProviderName[];
  if (names.length === 0) throw new Error('SIGN_PROVIDERS: expected at least one provider');
  if (new Set(names).size < names.length) throw new Error('SIGN_PROVIDERS: a provider is named twice');
  return names.map((name) => FACTORIES[name](config, upstream));
}

const FACTORIES: Record<ProviderName, (config: Config, upstream: Upstream) => SignProvider> = {
  simulator: (config, upstream) => {
    if (isTikTok(new URL(config.tiktokWebcastUrl))) {
      throw new Error('SIGN_PROVIDERS: simulator needs TIKTOK_WEB_URL and TIKTOK_WEBCAST_URL to be those of the simulator');
    }
    return new SimulatorProvider({ upstream, webUrl: config.tiktokWebUrl, webcastUrl: config.tiktokWebcastUrl });
  },
  anonymous: (config, upstream) => new AnonymousProvider({ upstream, webUrl: config.tiktokWebUrl, socketUrl: config.tiktokSocketUrl }),
  remote: (config) => new RemoteProvider({ signer: remoteSigner(config), passSessions: config.remoteSignSessions }),
};

/** Client of the remote sign server. */
export function remoteSigner(config: Config): HttpSigner {
  return new HttpSigner({
    url: config.remoteSignUrl,
    ...(config.remoteSignKey === '' ? {} : { apiKey: config.remoteSignKey }),
    timeoutMs: config.signTimeoutMs,
  });
}
