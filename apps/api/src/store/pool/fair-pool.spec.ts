import { EventEmitter } from 'node:events';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { Pool } from 'pg';
import { currentRequest, followRequests, outsideRequests } from '../../access/request-context.js';
import { fairPool, queueOfCallers } from './fair-pool.js';

type Hook = (request: unknown, reply: { raw: EventEmitter }, done: () => void) => void;
let hook: Hook;
followRequests({
  getHttpAdapter: () => ({ getInstance: () => ({ addHook: (_: string, added: Hook) => (hook = added) }) }),
} as unknown as NestFastifyApplication);

/** Runs work as the handler of a request of `key`; undefined: of a route without a key. */
function asRequest<T>(key: string | undefined, work: () => Promise<T>, raw = new EventEmitter(), method = 'GET'): Promise<T> {
  clients.push(raw);
  const answer = new Promise<T>((resolve, reject) => {
    hook({ method }, { raw }, () => {
      currentRequest()!.key = key;
      work().then(resolve, reject);
    });
  });
  // Not every test waits for every answer.
  answer.catch(() => undefined);
  return answer;
}

const clients: EventEmitter[] = [];
afterEach(() => {
  for (const client of clients.splice(0)) client.emit('close');
});

/** A pool whose statements end when they are told to. */
class SlowPool {
  readonly running: string[] = [];
  readonly ends = new Map<string, () => void>();
  released = 0;
  ending = false;

  query(text: string): Promise<string> {
    this.running.push(text);
    return new Promise((resolve) => this.ends.set(text, () => resolve(text)));
  }

  connect(): Promise<object> {
    return Promise.resolve({ release: () => (this.released += 1) });
  }

  end(): void {
    this.ending = true;
  }
}

/** A pool of ten connections, of which callers may use eight and one key four. */
function scene() {
  const slow = new SlowPool();
  const queue = queueOfCallers(10);
  const pool = fairPool(slow as unknown as Pool, queue);
  const ask = (key: string | undefined, text: string, raw?: EventEmitter) => asRequest(key, () => pool.query(text, []), raw);
  return { slow, queue, pool, ask };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));
const names = (prefix: string, count: number) => Array.from({ length: count }, (_, i) => `${prefix}${i}`);

describe('the pool for plain requests', () => {
  it('gives one key half of the places of callers at most, so that others find one', async () => {
    const { slow, queue, ask } = scene();
    for (const text of names('a', 250)) void ask('key_a', text);
    await settled();
    expect([slow.running.length, queue.waiting]).toEqual([4, 246]);
    for (const text of names('b', 3)) void ask('key_b', text);
    await settled();
    expect(slow.running.slice(4)).toEqual(['b0', 'b1', 'b2']);
  });

  it('lets keys take turns where all places are taken', async () => {
    const { slow, ask } = scene();
    for (const key of ['a', 'b']) for (const text of names(key, 100)) void ask(`key_${key}`, text);
    void ask('key_c', 'c0');
    await settled();
    expect(slow.running).toHaveLength(8);
    slow.ends.get('a0')!();
    await settled();
    slow.ends.get('b0')!();
    await settled();
    slow.ends.get('a1')!();
    await settled();
    expect(slow.running.slice(8)).toEqual(['a4', 'b4', 'c0']);
  });

  it('keeps nothing waiting that runs for nobody, for all, or for a route without a key', async () => {
    const { slow, pool, ask } = scene();
    for (const key of ['a', 'b', 'c']) for (const text of names(key, 100)) void ask(`key_${key}`, text);
    await settled();
    expect(slow.running).toHaveLength(8);
    void pool.query('check of health', []);
    void ask(undefined, 'without a key');
    void asRequest('key_a', () => outsideRequests(() => pool.query('for all', [])));
    await settled();
    expect(slow.running.slice(8)).toEqual(['check of health', 'without a key', 'for all']);
  });

  it('turns away a request at its first query or not at all, with the code and time to wait', async () => {
    const { slow, pool, ask } = scene();
    const begun = asRequest('key_a', async () => {
      await pool.query('first', []);
      return pool.query('second', []);
    });
    await settled();
    for (const text of names('a', 503)) void ask('key_a', text);
    await settled();
    await expect(ask('key_a', 'too many')).rejects.toMatchObject({ code: 'rate-limited', extra: { headers: { 'retry-after': '5' } } });
    slow.ends.get('first')!();
    for (let i = 0; !slow.running.includes('second'); i++) {
      slow.ends.get(`a${i}`)!();
      await settled();
    }
    slow.ends.get('second')!();
    expect(await begun).toBe('second');
  });

  it('holds a place for a transaction until its connection is given back, and keeps nothing inside of it waiting', async () => {
    const { slow, queue, pool } = scene();
    await asRequest('key_a', async () => {
      const clients = await Promise.all(Array.from({ length: 4 }, () => pool.connect()));
      expect(queue.running).toBe(4);
      // Otherwise requests that hold all places would wait for one another.
      const inside = pool.query('inside', []);
      await settled();
      expect(slow.running).toEqual(['inside']);
      slow.ends.get('inside')!();
      await inside;
      for (const client of clients) client.release();
    });
    expect([queue.running, slow.released]).toEqual([0, 4]);
  });

  it('forgets what waits for a client that has left', async () => {
    const { slow, queue, ask } = scene();
    for (const text of names('a', 4)) void ask('key_a', text);
    const raw = new EventEmitter();
    const left = ask('key_a', 'left', raw);
    await settled();
    expect(queue.waiting).toBe(1);
    raw.emit('close');
    await expect(left).rejects.toMatchObject({ code: 'unavailable' });
    expect([queue.waiting, slow.running.includes('left')]).toEqual([0, false]);
  });

  it.each([
    ['GET', 'unavailable'],
    ['POST', undefined],
  ])('gives up a %s that has begun when its client has left: %s', async (method, code) => {
    const { slow, pool, ask } = scene();
    const raw = new EventEmitter();
    const both = async () => {
      await pool.query('first', []);
      return pool.query('second', []);
    };
    const begun = asRequest('key_a', both, raw, method).catch((error: { code: string }) => error.code);
    await settled();
    for (const text of names('a', 4)) void ask('key_a', text);
    await settled();
    slow.ends.get('first')!();
    await settled();
    raw.emit('close');
    await settled();
    slow.ends.get('a0')!();
    await settled();
    expect(slow.running.includes('second')).toBe(code === undefined);
    slow.ends.get('second')?.();
    expect(await begun).toBe(code ?? 'second');
  });

  it('is the pool itself for everything else', () => {
    const { slow, pool } = scene();
    void pool.end();
    expect(slow.ending).toBe(true);
  });

  it('leaves a place to callers and one to the process however small it is', () => {
    expect([2, 3, 4, 10, 200].map((connections) => queueOfCallers(connections)['options'])).toMatchObject(
      [1, 2, 2, 8, 198].map((runningMax) => ({ runningMax, perTenantRunningMax: Math.ceil(runningMax / 2) })),
    );
  });
});
