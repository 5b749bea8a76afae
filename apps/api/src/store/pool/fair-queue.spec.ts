import { describe, expect, it } from '@jest/globals';
import { FairQueue } from './fair-queue.js';

const bounds = { waitingMax: 100 };

/** Work that ends when it is told to, and says in which order it began. */
function scene(options: ConstructorParameters<typeof FairQueue>[0]) {
  const queue = new FairQueue(options);
  const began: string[] = [];
  const ends: (() => void)[] = [];
  const add = (tenant: string, name: string, more = {}) =>
    queue.run(tenant, { ...bounds, ...more }, () => {
      began.push(name);
      return new Promise<string>((resolve) => ends.push(() => resolve(name)));
    });
  const end = async () => {
    ends.shift()?.();
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { queue, began, add, end };
}

describe('a fair queue', () => {
  it('lets tenants take turns, however much waits in one', async () => {
    const { began, add, end } = scene({ runningMax: 1, waitingMax: 100 });
    const all = [...['a1', 'a2', 'a3', 'a4'].map((name) => add('a', name)), add('b', 'b1'), add('c', 'c1'), add('b', 'b2')];
    for (let i = 0; i < all.length; i++) await end();
    await Promise.all(all);
    expect(began).toEqual(['a1', 'a2', 'b1', 'c1', 'a3', 'b2', 'a4']);
  });

  it('runs one piece of a tenant at a time, and no more in all than it may', async () => {
    const { queue, began, add, end } = scene({ runningMax: 2, waitingMax: 100 });
    const all = [add('a', 'a1'), add('a', 'a2'), add('b', 'b1'), add('c', 'c1')];
    expect([began, queue.running, queue.waiting]).toEqual([['a1', 'b1'], 2, 2]);
    for (let i = 0; i < all.length; i++) await end();
    await Promise.all(all);
    expect([queue.running, queue.waiting]).toEqual([0, 0]);
  });

  it('runs as many of one tenant as it may, and leaves the rest of its places to others', async () => {
    const { queue, began, add, end } = scene({ runningMax: 4, perTenantRunningMax: 2, waitingMax: 100 });
    const all = [...['a1', 'a2', 'a3', 'a4'].map((name) => add('a', name)), add('b', 'b1'), add('c', 'c1'), add('d', 'd1'), add('b', 'b2')];
    expect([began, queue.running, queue.waiting]).toEqual([['a1', 'a2', 'b1', 'c1'], 4, 4]);
    for (let i = 0; i < all.length; i++) await end();
    await Promise.all(all);
    expect(began).toEqual(['a1', 'a2', 'b1', 'c1', 'a3', 'd1', 'b2', 'a4']);
    expect([queue.running, queue.waiting]).toEqual([0, 0]);
  });

  it('ends a turn once, however often its holder says so', async () => {
    const queue = new FairQueue({ runningMax: 1, waitingMax: 10 });
    const leave = await queue.enter('a', bounds);
    const next = queue.enter('b', bounds);
    const last = queue.enter('c', bounds);
    leave();
    leave();
    await next;
    expect([queue.running, queue.waiting]).toEqual([1, 1]);
    (await next)();
    (await last)();
    expect(queue.running).toBe(0);
  });

  it('turns away nothing that is a part of what has begun', async () => {
    const { add, end } = scene({ runningMax: 1, waitingMax: 1 });
    const all = [add('a', 'a1'), add('a', 'a2', { waitingMax: 1 }), add('a', 'a3', { waitingMax: 1, isAdmitted: true })];
    await expect(add('b', 'b1')).rejects.toMatchObject({ code: 'overloaded' });
    all.push(add('b', 'b2', { isAdmitted: true }));
    for (let i = 0; i < all.length; i++) await end();
    expect(await Promise.all(all)).toEqual(['a1', 'a2', 'a3', 'b2']);
  });

  it('turns away what is too much for a tenant with 429, for all with 503, and says when to come again', async () => {
    const { add, end } = scene({ runningMax: 1, waitingMax: 3 });
    const all = [add('a', 'a1'), add('a', 'a2', { waitingMax: 1 })];
    const extra = { headers: { 'retry-after': '5' } };
    await expect(add('a', 'a3', { waitingMax: 1 })).rejects.toMatchObject({ status: 429, code: 'rate-limited', extra });
    all.push(add('b', 'b1'), add('c', 'c1'));
    await expect(add('d', 'd1')).rejects.toMatchObject({ status: 503, code: 'overloaded', extra });
    for (let i = 0; i < 4; i++) await end();
    await Promise.all(all);
  });

  it('forgets what is aborted or has waited too long, and goes on with the others', async () => {
    const { queue, began, add, end } = scene({ runningMax: 1, waitingMax: 100 });
    const stop = new AbortController();
    const first = add('a', 'a1');
    const aborted = add('a', 'a2', { signal: stop.signal });
    const late = add('b', 'b1', { waitMsMax: 5 });
    const last = add('a', 'a3');
    stop.abort(new Error('left'));
    await expect(aborted).rejects.toThrow('left');
    await expect(late).rejects.toMatchObject({ status: 503, code: 'overloaded' });
    expect(queue.waiting).toBe(1);
    await end();
    await end();
    await Promise.all([first, last]);
    expect(began).toEqual(['a1', 'a3']);
  });

  it('gives the place of work that fails to the next', async () => {
    const queue = new FairQueue({ runningMax: 1, waitingMax: 10 });
    const failing = queue.run('a', bounds, () => Promise.reject(new Error('no')));
    const next = queue.run('a', bounds, () => Promise.resolve('yes'));
    await expect(failing).rejects.toThrow('no');
    await expect(next).resolves.toBe('yes');
  });
});
