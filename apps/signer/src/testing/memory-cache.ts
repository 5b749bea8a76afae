import { Cache } from '../cache/cache.js';
import type { SharedLevel } from '../cache/shared.js';

/** A cache of this process alone, for tests that need no Redis. */
export function memoryCache(): Cache {
  const shared: Pick<SharedLevel, 'get' | 'put' | 'delete' | 'lock'> = {
    get: () => Promise.resolve(undefined),
    put: () => Promise.resolve(),
    delete: () => Promise.resolve(),
    lock: () => Promise.resolve(() => Promise.resolve()),
  };
  return new Cache({ shared, memory: { entriesMax: 1_000, bytesMax: 10_000_000 }, lockMs: 1_000, count: () => undefined });
}
