import { describe, expect, it } from '@jest/globals';
import type { OfferedCreator, OfferState, Transfer, TransferResult } from '@tributary/creators';
import type { CreatorSession } from '../session/creator-session.js';
import { HandoverSender, type HandoverSenderOptions } from './handover-sender.js';
import { ManualClock, settle } from '../testing/fakes.js';

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined, debug: () => undefined };

/** The sending side, with offers whose states the test decides. */
class SenderHarness {
  readonly clock = new ManualClock();
  readonly states = new Map<string, OfferState>();
  readonly offered: { ids: string[]; urgent: boolean }[] = [];
  readonly ended: string[] = [];
  /** Messages that each handover left to the next holder, of those received since the offer. */
  readonly since = new Map<string, number>();
  readonly transferred: string[] = [];
  readonly kept: [string, string][] = [];
  /** Delays the next answer about the states of offers. */
  answer: Promise<void> = Promise.resolve();
  readonly sender: HandoverSender;

  constructor() {
    const offers = {
      offer: (creators: readonly OfferedCreator[], _offerTtlMs: number, urgent: boolean) => {
        this.offered.push({ ids: creators.map(({ creatorId }) => creatorId), urgent });
        for (const { creatorId, fence } of creators) this.states.set(creatorId, { fence, state: 'open' });
        return Promise.resolve(new Set(creators.map(({ creatorId }) => creatorId)));
      },
      states: async (ids: Iterable<string>) => {
        const asked = [...ids].flatMap((id) => (this.states.has(id) ? [[id, this.states.get(id)!] as const] : []));
        await this.answer;
        return new Map(asked);
      },
      withdraw: () => Promise.resolve(),
      transfer: (transfers: readonly Transfer[]) =>
        Promise.resolve(new Map(transfers.map(({ creatorId }): [string, TransferResult] => [creatorId, 'done']))),
    } as unknown as HandoverSenderOptions['offers'];
    this.sender = new HandoverSender({
      offers,
      leases: { transferred: () => undefined },
      clock: this.clock,
      logger: silent,
      onEnding: () => undefined,
      onNotTransferred: () => Promise.resolve(),
      onTransferred: (ids) => void this.transferred.push(...ids),
      onKept: (ids, reason) => void this.kept.push(...ids.map((id): [string, string] => [id, reason])),
      publish: () => Promise.resolve(),
    });
  }

  session(creatorId: string, listening: { since: number } = { since: 0 }): CreatorSession {
    const handOver = (_reason: string, { messages }: { messages: number }) => {
      this.ended.push(creatorId);
      this.since.set(creatorId, messages);
      return Promise.resolve();
    };
    return {
      lease: { creatorId, fence: '1' },
      openRoom: '7000',
      messages: 0,
      get listeningSince() {
        return listening.since;
      },
      handOver,
      finalStatus: () => ({}),
    } as unknown as CreatorSession;
  }

  ready(creatorId: string): void {
    this.states.set(creatorId, { fence: '1', state: 'ready', taker: 'b' });
  }
}

describe('HandoverSender', () => {
  it('ends a paused session only after its socket was read for the overlap', async () => {
    const harness = new SenderHarness();
    const listening = { since: Infinity };
    await harness.sender.offer([harness.session('cr_1', listening)], 'moved');
    harness.ready('cr_1');
    await harness.clock.advance(3_000);
    expect(harness.ended).toEqual([]);
    listening.since = harness.clock.now();
    await harness.clock.advance(400);
    expect(harness.ended).toEqual([]);
    await harness.clock.advance(300);
    expect(harness.transferred).toEqual(['cr_1']);
  });

  it('keeps a session that is offered while the states of older offers are read', async () => {
    const harness = new SenderHarness();
    await harness.sender.offer([harness.session('cr_1')], 'moved');
    let release = () => {};
    harness.answer = new Promise((resolve) => (release = resolve));
    await harness.clock.advance(150);
    await harness.sender.offer([harness.session('cr_2')], 'shutdown');
    harness.ready('cr_2');
    release();
    await settle();
    expect(harness.kept).toEqual([]);
    await harness.clock.advance(700);
    expect(harness.transferred).toEqual(['cr_2']);
  });

  it('offers a move again and urgently when the worker stops, unless a receiver has taken it', async () => {
    const harness = new SenderHarness();
    const sessions = ['cr_1', 'cr_2'].map((id) => harness.session(id));
    await harness.sender.offer(sessions, 'moved');
    harness.states.set('cr_2', { fence: '1', state: 'taken', taker: 'b' });
    await harness.clock.advance(150);
    await harness.sender.offer(sessions, 'shutdown');
    expect(harness.offered).toEqual([
      { ids: ['cr_1', 'cr_2'], urgent: false },
      { ids: ['cr_1'], urgent: true },
    ]);
    await harness.clock.advance(6_000);
    expect(harness.kept.toSorted()).toEqual([
      ['cr_1', 'shutdown'],
      ['cr_2', 'shutdown'],
    ]);
  });

  it('tells the next holder of all messages since the first offer: a worker may have taken that one unseen', async () => {
    const harness = new SenderHarness();
    const session = harness.session('cr_1');
    await harness.sender.offer([session], 'moved');
    Object.assign(session, { messages: 40 });
    await harness.sender.offer([session], 'shutdown');
    Object.assign(session, { messages: 50 });
    harness.ready('cr_1');
    await harness.clock.advance(1_000);
    expect(harness.ended).toEqual(['cr_1']);
    expect(harness.since.get('cr_1')).toBe(50);
  });
});
