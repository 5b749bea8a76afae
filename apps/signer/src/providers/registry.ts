import { HttpSigner } from '@tributary/signing';
import { type Config, ConfigError, type Logger, Semaphore } from '@tributary/runtime';
import { fetch as undiciFetch } from 'undici';
import type { TabPool } from '../browser/tab-pool.js';
import type { Cache } from '../cache/cache.js';
import { Hosts, isTikTok } from '../tiktok/hosts.js';
import { makeDispatcher, Upstream } from '../tiktok/upstream.js';
import { Visitors } from '../tiktok/visitor.js';
import { AnonymousProvider } from './anonymous.js';
import { ProviderChain } from '../failover/provider-chain.js';
import { ProviderOperation } from '../failover/provider-operation.js';
import type { SignMetrics } from '../failover/sign-metrics.js';
import { type ProviderOptions, providerOptions, shadowOptions } from './options.js';
import { PageProvider } from './page.js';
import { PageSignProvider } from './page-sign.js';
import type { Operation, ProviderName, SignProvider } from './provider.js';
import { RemoteProvider } from './remote.js';
import { Shadow } from '../failover/shadow.js';
import { SimulatorProvider } from './simulator.js';

/** What providers are made of. */
export interface ProviderParts {
  config: Config;
  hosts: Hosts;
  cache: Cache;
  metrics: SignMetrics;
  logger: Logger;
  /** Of this process; Chromium starts with the first of them. */
  tabs: TabPool;
  /** The creator whose room it is, where that can be found out: pages are opened by name. */
  ownerOf: (roomId: string, signal: AbortSignal) => Promise<string | undefined>;
}

/** A live page has about 400 KB, a connect bundle 60, a gift list a few hundred. */
export const UPSTREAM_BODY_BYTES_MAX = 4_194_304;
/** A breaker opens after this many failures in a row, for 2 s to 5 min; that of a room sooner. */
const BREAKER = { failuresMax: 5, open: { firstMs: 2_000, maxMs: 300_000 } };
const ROOM_BREAKER = { failuresMax: 3, open: { firstMs: 5_000, maxMs: 300_000 }, roomsMax: 10_000 };
/** Requests that may wait for each place of a provider. */
const QUEUE_PER_PLACE = 16;
const SHADOWS_RUNNING_MAX = 4;
const ANONYMOUS_VISITOR_MS_MAX = 60_000;

/** Makes the configured providers and their chain. @throws ConfigError that names the setting that is wrong */
export function makeChain(parts: ProviderParts): ProviderChain {
  const { config, metrics, logger } = parts;
  const names = config.signProviders as ProviderName[];
  if (names.length === 0) throw new ConfigError('SIGN_PROVIDERS: expected at least one provider');
  if (new Set(names).size < names.length) throw new ConfigError('SIGN_PROVIDERS: a provider is named twice');
  const options = providerOptions(config);
  const shadow = shadowOptions(config);
  const operationsOf = (name: ProviderName): ProviderOperation[] => {
    const provider = FACTORIES[name](parts, options[name]);
    const { concurrency } = options[name];
    const semaphore = new Semaphore({ concurrency, queueMax: concurrency * QUEUE_PER_PLACE });
    const operations: Operation[] = provider.sign ? ['connect', 'sign'] : ['connect'];
    return operations.map(
      (operation) =>
        new ProviderOperation({
          provider,
          operation,
          options: options[name],
          semaphore,
          breaker: BREAKER,
          roomBreaker: ROOM_BREAKER,
          metrics,
          logger,
        }),
    );
  };
  const operations = names.flatMap(operationsOf);
  metrics.watchOperations(() =>
    operations.map((candidate) => ({ provider: candidate.provider.name, operation: candidate.operation, report: candidate.report() })),
  );
  const shadowOperation = shadow && operationsOf(shadow.name).find(({ operation }) => operation === 'connect');
  return new ProviderChain({
    operations,
    budgetMs: config.signBudgetMs,
    userAgent: config.signUserAgent,
    ...(shadow && shadowOperation
      ? {
          shadow: new Shadow({
            candidate: shadowOperation,
            share: shadow.share,
            runningMax: SHADOWS_RUNNING_MAX,
            userAgent: options[shadow.name].userAgent ?? config.signUserAgent,
            metrics,
          }),
        }
      : {}),
  });
}

type Factory = (parts: ProviderParts, options: ProviderOptions) => SignProvider;

const FACTORIES: Record<ProviderName, Factory> = {
  page: ({ config, tabs, ownerOf }, { proxy }) => new PageProvider({ tabs, webUrl: config.tiktokWebUrl, proxy, ownerOf }),
  'page-sign': (parts, options) => {
    const { tiktokWebUrl: webUrl, tiktokWebcastUrl: webcastUrl } = parts.config;
    return new PageSignProvider({ tabs: parts.tabs, upstream: upstreamOf(parts, options), webUrl, webcastUrl, proxy: options.proxy });
  },
  simulator: (parts, options) => {
    const { config } = parts;
    if (isTikTok(new URL(config.tiktokWebcastUrl))) {
      throw new ConfigError('SIGN_PROVIDERS: simulator needs TIKTOK_WEB_URL and TIKTOK_WEBCAST_URL to be those of the simulator');
    }
    const upstream = upstreamOf(parts, options);
    return new SimulatorProvider({ upstream, visitors: visitorsOf('simulator', upstream, parts), webcastUrl: config.tiktokWebcastUrl });
  },
  anonymous: (parts, options) => {
    const upstream = upstreamOf(parts, options);
    // Nothing here shows whether TikTok still trusts this visitor: only its socket does, which is the client's.
    const keepMs = Math.min(parts.config.signVisitorCacheMs, ANONYMOUS_VISITOR_MS_MAX);
    return new AnonymousProvider({ visitors: visitorsOf('anonymous', upstream, parts, keepMs), socketUrl: parts.config.tiktokSocketUrl });
  },
  remote: ({ config }, options) => new RemoteProvider({ signer: remoteSigner(config, options), passSessions: config.remoteSignSessions }),
};

/** Client of the remote sign server. */
export function remoteSigner(config: Config, options: ProviderOptions): HttpSigner {
  const { proxy, timeoutMs, concurrency } = options;
  const dispatcher = proxy === undefined ? undefined : makeDispatcher(concurrency, proxy);
  const proxied = dispatcher && ((url: string, init: object) => undiciFetch(url, { ...init, dispatcher }));
  return new HttpSigner({
    url: config.remoteSignUrl,
    ...(config.remoteSignKey === '' ? {} : { apiKey: config.remoteSignKey }),
    timeoutMs,
    // The same function as the built-in one, from the package that knows the proxy.
    ...(proxied ? { fetch: proxied as unknown as typeof fetch } : {}),
  });
}

function upstreamOf({ hosts }: ProviderParts, { concurrency, proxy }: ProviderOptions): Upstream {
  return new Upstream(hosts, { bodyBytesMax: UPSTREAM_BODY_BYTES_MAX, connectionsMax: concurrency, proxy });
}

function visitorsOf(
  name: ProviderName,
  upstream: Upstream,
  { config, cache }: ProviderParts,
  keepMs = config.signVisitorCacheMs,
): Visitors {
  return new Visitors({ name, upstream, webUrl: config.tiktokWebUrl, cache, keepMs });
}
