import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { Config } from '@tributary/runtime';
import { Simulator, startRedis, type SuiteServer, waitFor } from '@tributary/testing';
import { account, type Entry, House } from '../testing/house.js';

jest.setTimeout(180_000);

let server: SuiteServer;
const houses: House[] = [];

beforeAll(async () => {
  server = await startRedis({ appendonly: 'always' });
});

afterEach(async () => {
  await Promise.all(houses.splice(0).map((house) => house.close()));
});

afterAll(async () => {
  await server.remove();
});

const names = (count: number): string[] => Array.from({ length: count }, (_, at) => `creator${at}`);

async function openHouse(rooms: number, rate: number, settings: Partial<Config> = {}): Promise<House> {
  const live = names(rooms);
  const simulator = await new Simulator({ rooms: live.map((uniqueId) => ({ uniqueId, rate })) }).start();
  const house = new House(simulator, server.url, settings);
  houses.push(house);
  await house.monitor(...live);
  return house;
}

/** Waits until every creator is live and more of its messages are in the inbox. */
async function flowing(house: House): Promise<void> {
  await waitFor(
    async () => {
      const statuses = await house.status();
      return house.creators.every(({ uniqueId }) => statuses.get(uniqueId)?.state === 'live');
    },
    { timeoutMs: 30_000, what: 'every creator to be live' },
  );
  const since = Date.now();
  await waitFor(
    async () => {
      const heard = await spokenSince(house, since);
      return house.creators.every(({ id }) => (heard.get(id) ?? 0) >= 10);
    },
    { timeoutMs: 30_000, everyMs: 100, what: 'messages of every creator' },
  );
}

/** Messages of each creator that were appended after this moment. */
async function spokenSince(house: House, since: number): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  for (let partition = 0; partition < house.keys.partitions; partition += 1) {
    for (const [, fields] of await house.redis.xrange(house.keys.inbox(partition), since, '+')) {
      const creator = fields[fields.indexOf('creator') + 1]!;
      if (fields[fields.indexOf('type') + 1]!.startsWith('tiktok.')) counts.set(creator, (counts.get(creator) ?? 0) + 1);
    }
  }
  return counts;
}

const heldBy = async (house: House, name: string): Promise<number> =>
  [...(await house.holders()).values()].filter(({ worker }) => worker === name).length;

/** Waits until `name` holds every creator. */
const allHeldBy = (house: House, name: string): Promise<unknown> =>
  waitFor(async () => (await heldBy(house, name)) === house.creators.length, { timeoutMs: 20_000, what: `${name} to hold everything` });

/** Waits until another worker knows of this one, by the board. */
const onBoard = (house: House, count: number): Promise<unknown> =>
  waitFor(async () => (await house.redis.hlen(`${house.config.redisPrefix}:workers`)) === count, { what: 'the board' });

/** Ends every room, waits until that is told, and checks everything that was written to any socket. */
async function expectAllOnce(
  house: House,
  expected: { gaps: string[]; inGaps?: 'some' } | 'any gaps' = { gaps: [] },
): Promise<Map<string, Entry[]>> {
  for (const room of house.simulator.rooms()) house.simulator.goOffline(room);
  const inboxes = new Map<string, Entry[]>();
  const gaps: string[] = [];
  for (const { uniqueId } of house.creators) {
    await waitFor(async () => (await house.inbox(uniqueId)).at(-1)?.type === 'monitor.offline', {
      timeoutMs: 20_000,
      what: `the end of ${uniqueId}`,
    });
    const result = await account(house, uniqueId);
    expect(result).toMatchObject({ missing: [], orderFaults: 0 });
    if (expected !== 'any gaps') expect(result).toMatchObject({ twice: [], ...(expected.inGaps ? {} : { inGaps: 0 }) });
    expect(result.written).toBeGreaterThan(50);
    gaps.push(...result.gaps.map(({ reason }) => reason));
    inboxes.set(uniqueId, await house.inbox(uniqueId));
  }
  if (expected !== 'any gaps') expect(gaps).toEqual(expected.gaps);
  return inboxes;
}

/** Numbers of the messages in an inbox, in its order, over all holders. */
function ordinals(house: House, handle: string, entries: Entry[]): number[] {
  const numbers = new Map(house.written(handle).map(({ roomId, msgId, n }) => [`${roomId}-${msgId}`, n]));
  return entries.flatMap(({ id }) => numbers.get(id) ?? []);
}

/** Between the last message of one holder and the first of the next, by the time of their appends, in ms. */
function takeovers(entries: Entry[]): number[] {
  const messages = entries.filter(({ type }) => type.startsWith('tiktok.'));
  return messages.flatMap(({ run, appendedAt }, at) => {
    const before = messages[at - 1];
    return before && before.run !== run ? [appendedAt - before.appendedAt] : [];
  });
}

/** Diamonds by the events, and by the simulator's own count of what it wrote to a socket. */
function diamonds(house: House, handle: string, entries: Entry[]): [told: number, given: number] {
  const gifts = entries.filter(({ type }) => type === 'tiktok.live.gift');
  const told = gifts.reduce((sum, { data }) => sum + Number(data.totalDiamonds), 0);
  const given = house.simulator.room(handle)!.broadcasts.reduce((sum, { delivered }) => sum + delivered.diamonds, 0);
  return [told, given];
}

/** Streaks whose messages came from more than one holder. */
function sharedStreaks(entries: Entry[]): number {
  const runs = new Map<string, Set<string>>();
  for (const { type, data, run } of entries) {
    if (type !== 'tiktok.live.gift') continue;
    const streak = String(data.streakId);
    runs.set(streak, (runs.get(streak) ?? new Set()).add(run));
  }
  return [...runs.values()].filter(({ size }) => size > 1).length;
}

/** The states of all offers. */
async function offers(house: House): Promise<string[]> {
  const parts = await Promise.all(
    Array.from({ length: house.keys.partitions }, (_, partition) => house.redis.hvals(`${house.keys.leases(partition)}:offers`)),
  );
  return parts.flat().map((text) => text.split(' ')[5] ?? '');
}

const untilOffers = (house: House, state: string, count = 1): Promise<unknown> =>
  waitFor(async () => (await offers(house)).filter((one) => one === state).length >= count, {
    everyMs: 5,
    timeoutMs: 20_000,
    what: `${count} offers to be ${state}`,
  });

describe('a worker that stops under traffic of 50 messages/s in each room', () => {
  it('hands every room over: nothing lost, nothing twice, no gap, in order, and gift streaks count on', async () => {
    const house = await openHouse(8, 50);
    const a = house.start('a');
    await flowing(house);
    house.start('b');
    await onBoard(house, 2);
    const startedAt = performance.now();
    await house.stop(a);
    const tookMs = performance.now() - startedAt;
    expect(tookMs).toBeLessThan(8_000);
    await allHeldBy(house, 'b');
    await flowing(house);
    const inboxes = await expectAllOnce(house);
    const times: number[] = [];
    let streaks = 0;
    for (const [handle, entries] of inboxes) {
      const order = ordinals(house, handle, entries);
      expect(order).toEqual(order.toSorted((one, other) => one - other));
      expect(new Set(order).size).toBe(order.length);
      const [told, given] = diamonds(house, handle, entries);
      expect(told).toBe(given);
      streaks += sharedStreaks(entries);
      times.push(...takeovers(entries));
      const monitored = entries
        .filter(({ type }) => type.startsWith('monitor.'))
        .map(({ type, data }) => (typeof data.reason === 'string' ? `${type} ${data.reason}` : type));
      expect(monitored).toContain('monitor.disconnected shutdown');
      expect(monitored.filter((text) => text.startsWith('monitor.connected'))).toHaveLength(times.length > 0 ? 2 : 1);
    }
    expect(streaks).toBeGreaterThan(0);
    expect(times.length).toBeGreaterThanOrEqual(8);
    console.log(`stop ${Math.round(tookMs)} ms; takeovers ${times.join(', ')} ms; streaks over the hand-over: ${streaks}`);
    expect(Math.max(...times)).toBeLessThan(500);
  });

  it('with nobody there to take them is gone at once, and tells the gap when somebody comes', async () => {
    const house = await openHouse(4, 50);
    const a = house.start('a');
    await flowing(house);
    const confirming = setInterval(() => void house.confirm(), 50);
    const startedAt = performance.now();
    await house.stop(a);
    clearInterval(confirming);
    expect(performance.now() - startedAt).toBeLessThan(3_000);
    house.start('b');
    await flowing(house);
    await expectAllOnce(house, { gaps: ['shutdown', 'shutdown', 'shutdown', 'shutdown'], inGaps: 'some' });
  });
});

describe('a worker that joins', () => {
  it('gets its share of live rooms a few at a time, without a gap, and then nothing moves any more', async () => {
    const house = await openHouse(10, 20);
    house.start('a');
    await flowing(house);
    house.start('b');
    await waitFor(async () => (await heldBy(house, 'b')) === 1, { everyMs: 5, timeoutMs: 20_000, what: 'the first to move' });
    expect(await heldBy(house, 'a')).toBe(9);
    await waitFor(async () => (await heldBy(house, 'b')) === 5, { timeoutMs: 40_000, what: 'an even share' });
    await flowing(house);
    const spread = await house.holders();
    const connections = house.simulator.stats().connectionsTotal;
    // Two more intervals in which something could move.
    const { head } = house.simulator.room('creator0')!.ledger;
    await waitFor(() => house.simulator.room('creator0')!.ledger.head > head + 100, { timeoutMs: 60_000 });
    expect(await house.holders()).toEqual(spread);
    expect(house.simulator.stats().connectionsTotal).toBe(connections);
    const inboxes = await expectAllOnce(house);
    const moves = [...inboxes.values()].flat().filter(({ type, data }) => type === 'monitor.disconnected' && data.reason === 'moved');
    expect(moves).toHaveLength(5);
    for (const [handle, entries] of inboxes) {
      const [told, given] = diamonds(house, handle, entries);
      expect(told).toBe(given);
    }
  });
});

describe('all workers restarted one after another', () => {
  it('tell no gap, and no creator changes hands more often than the restarts make it', async () => {
    const house = await openHouse(9, 20);
    let running = ['a', 'b', 'c'].map((name) => ({ name, worker: house.start(name) }));
    await flowing(house);
    for (const { name, worker } of [...running]) {
      await onBoard(house, 3);
      await house.stop(worker);
      running = running.filter((one) => one.name !== name);
      const next = `${name}${name}`;
      running.push({ name: next, worker: house.start(next) });
      await onBoard(house, 3);
      await flowing(house);
    }
    const inboxes = await expectAllOnce(house);
    const changes = [...inboxes.values()].map((entries) => takeovers(entries).length);
    const all = changes.reduce((sum, one) => sum + one, 0);
    console.log(`hand-overs per creator over three restarts: ${changes.join(', ')}`);
    expect(all).toBeGreaterThanOrEqual(9);
    // Each is moved by the stop of its holder, and at most as often to spread again.
    expect(all).toBeLessThanOrEqual(2 * 9 + 6);
  });
});

describe('a hand-over that fails', () => {
  /** Worker `a` holds everything and receives; `b` is there. */
  async function pair(rooms: number, settings: Partial<Config> = {}) {
    const house = await openHouse(rooms, 50, settings);
    const a = house.start('a');
    await flowing(house);
    const b = house.start('b');
    await onBoard(house, 2);
    return { house, a, b };
  }

  it('because the taker cannot sign: a move is as if nothing had been', async () => {
    const house = await openHouse(2, 50, { leaseTtlMs: 1_000 });
    house.start('a');
    await flowing(house);
    house.signer.isDown = true;
    house.start('b');
    const { calls } = house.signer;
    await waitFor(() => house.signer.calls >= calls + 2, { timeoutMs: 20_000, what: 'two tries' });
    expect(await heldBy(house, 'a')).toBe(2);
    house.signer.isDown = false;
    await waitFor(async () => (await heldBy(house, 'b')) === 1, { timeoutMs: 20_000, what: 'the move' });
    await flowing(house);
    await expectAllOnce(house);
  });

  it('because the taker dies before it receives: a stop falls back to a release, with its gap', async () => {
    const { house, a, b } = await pair(3);
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    house.signer.before = () => held;
    const stopped = house.stop(a);
    await untilOffers(house, 'taken', 3);
    b.disconnect();
    await stopped;
    house.signer.before = () => Promise.resolve();
    release();
    house.start('c');
    await allHeldBy(house, 'c');
    await flowing(house);
    await expectAllOnce(house, 'any gaps');
  });

  it('because the holder dies: its taker has received since its own connect, and the gap ends there', async () => {
    const { house, a } = await pair(3);
    void house.stop(a).catch(() => undefined);
    await untilOffers(house, 'ready', 3);
    const diedAt = Date.now();
    a.disconnect();
    await allHeldBy(house, 'b');
    await flowing(house);
    const inboxes = await expectAllOnce(house, 'any gaps');
    for (const entries of inboxes.values()) {
      const gap = entries.find(({ type, data }) => type === 'monitor.gap' && data.reason === 'takeover');
      expect(Date.parse(String(gap?.data.to))).toBeLessThanOrEqual(diedAt + 500);
    }
  });

  it('because Redis forgets everything in the middle: whoever held them goes on, and nothing is missing', async () => {
    const { house, a } = await pair(3);
    const stopped = house.stop(a);
    await untilOffers(house, 'ready', 1);
    await house.redis.flushall();
    await house.publish();
    await stopped;
    await allHeldBy(house, 'b');
    await flowing(house);
    await expectAllOnce(house, 'any gaps');
  });

  it('because Redis is killed in the middle and comes back: nothing is missing outside of told gaps', async () => {
    const { house, a } = await pair(3);
    const stopped = house.stop(a);
    await untilOffers(house, 'ready', 1);
    await server.kill9();
    await server.restart();
    await stopped;
    await allHeldBy(house, 'b');
    await flowing(house);
    await expectAllOnce(house, 'any gaps');
  });

  it('because the creator is removed: nobody stays connected to its room', async () => {
    const { house } = await pair(2, { leaseTtlMs: 1_000 });
    await untilOffers(house, 'taken');
    house.creators = [];
    await house.publish();
    await waitFor(() => [...house.simulator.rooms()].every((room) => room.connections.size === 0), { what: 'all to leave' });
    await waitFor(async () => (await offers(house)).length === 0, { what: 'no offers' });
  });

  it('because the room ends: the end is told once, and a new room of the creator is found', async () => {
    const { house, a } = await pair(2);
    const stopped = house.stop(a);
    await untilOffers(house, 'ready', 2);
    for (const room of house.simulator.rooms()) house.simulator.goOffline(room);
    await stopped;
    for (const room of house.simulator.rooms()) house.simulator.goLive(room);
    await flowing(house);
    for (const entries of (await expectAllOnce(house, 'any gaps')).values()) {
      expect(entries.filter(({ type }) => type === 'monitor.offline')).toHaveLength(2);
      expect(entries.filter(({ type }) => type === 'monitor.live')).toHaveLength(2);
    }
  });

  it('because the taker stops too: a third one takes over, or the holder goes on', async () => {
    const { house, a, b } = await pair(3);
    house.start('c');
    await onBoard(house, 3);
    const stopping = house.stop(a);
    await untilOffers(house, 'taken', 1);
    await Promise.all([stopping, house.stop(b)]);
    await allHeldBy(house, 'c');
    await flowing(house);
    await expectAllOnce(house, 'any gaps');
  });
});

describe('a worker that dies', () => {
  it('is succeeded within 15 s at the default lease time', async () => {
    const house = await openHouse(3, 20, { leaseTtlMs: 10_000 });
    const a = house.start('a');
    await flowing(house);
    house.start('b');
    // A worker takes over only once its own renewals have worked for a whole lease time.
    const joinedAt = Date.now();
    await waitFor(() => Date.now() - joinedAt > 11_000, { timeoutMs: 20_000, everyMs: 100 });
    a.disconnect();
    const diedAt = Date.now();
    await allHeldBy(house, 'b');
    const heldMs = Date.now() - diedAt;
    for (const { uniqueId } of house.creators) {
      await waitFor(async () => (await house.inbox(uniqueId)).some(({ run, type }) => run.startsWith('b-') && type.startsWith('tiktok.')), {
        timeoutMs: 20_000,
        what: `${uniqueId} by its successor`,
      });
    }
    const tookMs = Date.now() - diedAt;
    console.log(`takeover after a crash: leases after ${heldMs} ms, messages after ${tookMs} ms`);
    expect(tookMs).toBeLessThan(15_000);
  });
});
