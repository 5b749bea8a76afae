import { Injectable } from '@nestjs/common';
import { type BucketVerdict, Config, hashKey, type KeyRecord, Problem, SharedBuckets, WrongKeys } from '@tributary/runtime';

const MINUTE_MS = 60_000;

/** What holds for whoever sends a key, over all processes: how fast keys may be guessed, and how often one may be used. */
@Injectable()
export class KeyLimits {
  constructor(
    private readonly wrong: WrongKeys,
    private readonly buckets: SharedBuckets,
    private readonly config: Config,
  ) {}

  /**
   * Judges the address that sent a key.
   * @param record of the key; undefined for a wrong one, which is charged
   * @throws Problem `rate-limited` where the address has tried too many keys, and this one was not used from there before
   */
  async admit(address: string, key: string, record: KeyRecord | undefined): Promise<void> {
    const waitMs = record ? await this.wrong.admit(address, record.id) : await this.wrong.charge(address, hashKey(key));
    if (waitMs === 0) return;
    const seconds = secondsOf(waitMs);
    throw new Problem('rate-limited', `too many wrong keys came from this address; wait ${seconds} s`, {
      headers: { 'retry-after': String(seconds) },
    });
  }

  /**
   * Counts a request of a key.
   * @returns the headers that tell what is left
   * @throws Problem `rate-limited` where the key has used up its requests
   */
  async count({ id }: KeyRecord): Promise<Record<string, string>> {
    const verdict = await this.buckets.take(`api-${id}`, { limit: this.config.apiRatePerMinute, periodMs: MINUTE_MS });
    const headers = headersOf(verdict);
    if (verdict.allowed) return headers;
    const seconds = secondsOf(verdict.retryMs);
    throw new Problem('rate-limited', `this key may make ${verdict.limit} requests a minute; wait ${seconds} s`, {
      headers: { ...headers, 'retry-after': String(seconds) },
    });
  }
}

function secondsOf(ms: number): number {
  return Math.max(1, Math.ceil(ms / 1_000));
}

function headersOf({ limit, remaining, resetMs }: BucketVerdict): Record<string, string> {
  return {
    'ratelimit-limit': String(limit),
    'ratelimit-remaining': String(remaining),
    'ratelimit-reset': String(Math.ceil(resetMs / 1_000)),
  };
}
