import { afterEach, describe, expect, it } from '@jest/globals';
import type { StoredEvent } from '@tributary/events';
import { encodeCursor } from '@tributary/log';
import { createLogger } from '@tributary/runtime';
import { waitFor } from '@tributary/testing';
import type { EventFilter } from '../../filter/filter.js';
import { type Closed, LiveEncoder, type LiveMessage } from '../codec.js';
import type { LiveConnection, WriteOutcome } from '../connection.js';
import { LiveHub } from '../hub/hub.js';
import { StreamLimits } from '../stream-limits.js';
import { LiveSubscription } from './subscription.js';

const logger = createLogger({ name: 'live-test', level: 'silent', format: 'json' });
const cursor = (seq: number) => encodeCursor({ generation: 1, seq });

function event(seq: number): StoredEvent {
  const common = { id: `e-${seq}`, type: 'tiktok.live.chat', creatorId: 'cr_0', handle: 'a', roomId: '1', time: seq, receivedAt: seq };
  return { seq, ...common, data: { comment: 'x'.repeat(1_000) } };
}

/** A socket: each text is one message, and a close has a code, a reason and no text of ours. */
class Socket implements LiveConnection {
  readonly messages: LiveMessage[] = [];
  ended: { code: number; reason: string; position: string } | undefined;
  /** Whether a write would go out at once, and how often that was asked. */
  free = true;
  asked = 0;
  /** What the next writes come to. */
  outcome: WriteOutcome = 'sent';
  private left: () => void = () => undefined;

  get ready(): boolean {
    this.asked += 1;
    return this.free;
  }

  write(texts: readonly string[]): Promise<WriteOutcome> {
    for (const text of texts) this.messages.push(JSON.parse(text) as LiveMessage);
    return Promise.resolve(this.outcome);
  }

  close({ code, reason, position }: Closed): void {
    this.ended = { code, reason, position };
  }

  destroy(): void {
    this.left();
  }

  onLeft(left: () => void): void {
    this.left = left;
  }

  /** Ids of the events that came, in order. */
  get ids(): string[] {
    return this.messages.flatMap((message) => (message.kind === 'event' ? [message.envelope.id] : []));
  }
}

const hubs: LiveHub[] = [];
afterEach(() => hubs.splice(0).forEach((hub) => hub.stop()));

/** A subscription on a log of its own whose newest event has the number 10. */
async function subscribe({ filter = {}, allowed = () => true }: { filter?: EventFilter; allowed?: () => boolean } = {}) {
  const head = () => Promise.resolve({ generation: 1, seq: 10, oldestSeq: 1, history: [{ generation: 1, startedAtSeq: 0 }] });
  const query = () => Promise.resolve({ events: [], head: 10, reached: 10, more: false });
  const hub = new LiveHub({ store: { head, query, raiseGeneration: head }, logger, quietMs: 1_000_000 });
  await hub.start();
  hubs.push(hub);
  const socket = new Socket();
  let encoded = 0;
  const encoder = new LiveEncoder({
    encode: (message) => {
      if (message.kind === 'event') encoded += 1;
      return JSON.stringify(message);
    },
  });
  const open = (connection: Socket) => {
    const subscription = new LiveSubscription({
      connection,
      encoder,
      hub,
      filter,
      start: { generation: 1, after: 10, head: 10, from: 'head', recovered: true },
      limits: Object.assign(new StreamLimits(), { heartbeatMs: 5 }),
      search: () => ({ query }),
      logger,
      allowed,
    });
    connection.onLeft(() => subscription.stop());
    return { subscription, ended: subscription.run() };
  };
  let at = 10;
  const commit = (count: number) => {
    const events = Array.from({ length: count }, (_, i) => event(at + i + 1));
    hub.take({ generation: 1, after: at, to: at + count, events });
    at += count;
    return events.map(({ id }) => id);
  };
  return { socket, open, commit, encodedEvents: () => encoded, ...open(socket) };
}

describe('a subscription over a socket', () => {
  it('gives hello first, then each event as one message in the order of the log, and a code when it ends', async () => {
    const { socket, commit, subscription, ended } = await subscribe();
    await waitFor(() => socket.messages.length > 0);
    expect(socket.messages[0]).toEqual({ kind: 'hello', position: cursor(10), from: 'head', recovered: true, head: cursor(10) });
    // More than one piece of text.
    const ids = commit(200);
    await waitFor(() => socket.ids.length === 200);
    expect(socket.ids).toEqual(ids);
    subscription.stop('shutdown');
    expect(await ended).toBe('shutdown');
    expect(socket.ended).toEqual({ code: 4100, reason: 'shutdown', position: cursor(210) });
  });

  it('ends as slow when the connection says so, at the position that was handed over', async () => {
    const { socket, commit, ended } = await subscribe();
    await waitFor(() => socket.messages.length > 0);
    socket.outcome = 'slow';
    commit(200);
    expect(await ended).toBe('slow');
    const last = socket.messages.at(-1);
    expect(last?.kind).toBe('event');
    expect(socket.ids.length).toBeLessThan(200);
    expect(socket.ended).toEqual({ code: 4200, reason: 'slow', position: cursor(10 + socket.ids.length) });
  });

  it('is told nothing more once the client has left', async () => {
    const { socket, ended } = await subscribe();
    socket.destroy();
    expect(await ended).toBeUndefined();
    expect(socket.ended).toBeUndefined();
  });

  it('moves the position of a client whose filter lets nothing through, and beats only where a write would go out', async () => {
    const { socket, commit, subscription, ended } = await subscribe({ filter: { roomId: 'other' } });
    commit(3);
    await waitFor(() => socket.messages.some((message) => message.kind === 'position'));
    expect(socket.messages.find((message) => message.kind === 'position')).toEqual({ kind: 'position', position: cursor(13) });
    socket.free = false;
    const [before, asked] = [socket.messages.length, socket.asked];
    commit(1);
    await waitFor(() => socket.asked > asked + 3);
    expect(socket.messages).toHaveLength(before);
    subscription.stop();
    await ended;
  });

  it('ends when the key is no longer in force, though nobody said so', async () => {
    let allowed = true;
    const { socket, ended } = await subscribe({ allowed: () => allowed });
    allowed = false;
    expect(await ended).toBe('revoked');
    expect(socket.ended?.code).toBe(4001);
  });

  it('shares the text of an event with every other of the same codec', async () => {
    const { socket, open, commit, subscription, ended, encodedEvents } = await subscribe();
    const other = new Socket();
    const second = open(other);
    await waitFor(() => socket.messages.length > 0 && other.messages.length > 0);
    commit(5);
    await waitFor(() => socket.ids.length === 5 && other.ids.length === 5);
    expect(encodedEvents()).toBe(5);
    subscription.stop();
    second.subscription.stop();
    await Promise.all([ended, second.ended]);
  });
});
