import { Injectable } from '@nestjs/common';
import { Config } from '@tributary/runtime';
import type { ConnectBundle } from '@tributary/signing';
import { Cache, type CacheOrigin } from '../cache/cache.js';
import type { CacheKind } from '../cache/kinds.js';
import { type ChainResult, ProviderChain } from '../failover/provider-chain.js';
import type { Attempt } from '../failover/provider-operation.js';
import type { Asked, ConnectRequest } from '../providers/provider.js';

/** A bundle, or why there is none; `shared` when it was not made for this request alone. */
export interface BundleAnswer {
  bundle?: ConnectBundle;
  attempts: Attempt[];
  shared?: CacheOrigin;
}

interface Made {
  bundle: ConnectBundle;
  attempts: Attempt[];
}

const BUNDLES_IN_REDIS_MAX = 200;
const OVERHEAD_BYTES = 1_000;

/**
 * Connect bundles. Equal requests within a short time (same room, same user agent, no session, no position) share one: each
 * viewer continues from its cursor. Every other request gets a bundle of its own.
 */
@Injectable()
export class Bundles {
  private readonly kind: CacheKind<Made>;

  /** How long bundles are shared, in ms; 0 shares none. A bundle lives about 30 s, and clients must have time left to connect. */
  private readonly shareMs: number;

  constructor(
    private readonly chain: ProviderChain,
    private readonly cache: Cache,
    { signShareMs }: Config,
  ) {
    this.shareMs = signShareMs;
    this.kind = {
      name: 'bundle',
      freshMs: () => signShareMs,
      staleMs: 0,
      entriesMax: BUNDLES_IN_REDIS_MAX,
      bytes: ({ bundle }) => bundle.fetchResult.byteLength + OVERHEAD_BYTES,
      encode: ({ bundle: { fetchResult, ...rest }, attempts }) =>
        JSON.stringify({ ...rest, attempts, fetchResult: Buffer.from(fetchResult).toString('base64') }),
      decode: (text) => {
        const { attempts, fetchResult, ...rest } = JSON.parse(text) as Omit<ConnectBundle, 'fetchResult'> & {
          attempts: Attempt[];
          fetchResult: string;
        };
        return { attempts, bundle: { ...rest, fetchResult: Buffer.from(fetchResult, 'base64') } };
      },
    };
  }

  /** A bundle for such a request from this process' memory, without waiting. */
  atHand(request: Asked<ConnectRequest>, own: boolean): BundleAnswer | undefined {
    if (own || !this.shareable(request)) return undefined;
    const made = this.cache.peek(this.kind, keyOf(request));
    return made && { bundle: made.bundle, attempts: [], shared: 'memory' };
  }

  /** A bundle for this request. `own` asks for one that is not shared; `spentMs` of its time budget is used already. */
  async get(request: Asked<ConnectRequest>, own: boolean, signal: AbortSignal, spentMs: number): Promise<BundleAnswer> {
    if (own || !this.shareable(request)) return answerOf(await this.chain.connect(request, signal, spentMs));
    const made = await this.cache.get<Made, Attempt[]>(
      this.kind,
      keyOf(request),
      async (loading) => {
        const { value, attempts } = await this.chain.connect(request, loading, spentMs);
        return value ? { ok: true, value: { bundle: value, attempts } } : { ok: false, failure: attempts };
      },
      signal,
    );
    if (!made.ok) return { attempts: made.failure };
    const { bundle, attempts } = made.value;
    return made.from === 'loaded' ? { bundle, attempts } : { bundle, attempts: [], shared: made.from };
  }

  private shareable({ cookies, cursor }: Asked<ConnectRequest>): boolean {
    return this.shareMs > 0 && cookies === '' && cursor === '';
  }
}

function answerOf({ value, attempts }: ChainResult<ConnectBundle>): BundleAnswer {
  return value ? { bundle: value, attempts } : { attempts };
}

/** The room id decides which room is meant, whatever name came with it. */
function keyOf({ roomId, userAgent = '' }: Asked<ConnectRequest>): string {
  return `${roomId} ${userAgent}`;
}
