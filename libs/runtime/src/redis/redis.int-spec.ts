import { afterEach, describe, expect, it } from '@jest/globals';
import { type FaultProxy, startProxy, testServers, waitFor } from '@tributary/testing';
import type { Redis } from 'ioredis';
import type { Logger } from '../process/logging.js';
import { createRedis } from './redis.js';

const quiet = { trace() {}, debug() {}, info() {}, warn() {}, error() {} } as unknown as Logger;
const RECOVERY_MS = 12_000;

const clients: Redis[] = [];
let proxy: FaultProxy;

afterEach(async () => {
  for (const client of clients.splice(0)) client.disconnect();
  await proxy.close();
});

function client(url: string, use: 'command' | 'blocking' = 'command'): Redis {
  const made = createRedis(url, quiet, { name: 'spec', use });
  clients.push(made);
  return made;
}

describe('a Redis client whose server vanished without a word', () => {
  it('answers again soon, fails the command that waited, and hears its channels again', async () => {
    const { redisUrl } = testServers();
    proxy = await startProxy(redisUrl);
    const direct = client(redisUrl);
    const commands = client(proxy.url);
    const subscriber = client(proxy.url, 'blocking');
    const blocking = client(proxy.url, 'blocking');
    await waitFor(() => clients.every(({ status }) => status === 'ready'));
    const channel = `spec-${process.pid}-channel`;
    await subscriber.subscribe(channel);
    let heard = 0;
    subscriber.on('message', () => (heard += 1));
    await direct.publish(channel, 'one');
    await waitFor(() => heard === 1);

    const blocked = blocking.blpop(`spec-${process.pid}-list`, 2);
    proxy.strand();
    await expect(commands.get('spec')).rejects.toThrow();
    await waitFor(() => commands.status === 'ready', { timeoutMs: RECOVERY_MS });
    expect(await commands.ping()).toBe('PONG');
    expect(await blocked).toBeNull();
    const publishing = async () => {
      await direct.publish(channel, 'again');
      return heard > 1;
    };
    await waitFor(publishing, { what: 'the channel to be heard again', timeoutMs: RECOVERY_MS });
  });

  it('gives up attempts to connect to a peer that stays unresponsive, and connects once it speaks', async () => {
    proxy = await startProxy(testServers().redisUrl);
    proxy.freeze();
    const unresponsive = client(proxy.url);
    let closed = 0;
    unresponsive.on('close', () => (closed += 1));
    await waitFor(() => closed > 0, { what: 'the first attempt to end', timeoutMs: RECOVERY_MS });
    proxy.heal();
    await waitFor(() => unresponsive.status === 'ready', { timeoutMs: RECOVERY_MS });
  });
});
