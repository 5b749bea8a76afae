import { describe, expect, it } from '@jest/globals';
import type { OfferedCreator, OfferState, Transfer, TransferResult } from '@tributary/creators';
import type { CreatorSession } from '../session/creator-session.js';
import { HandOvers, type HandOversOptions } from './handover-sender.js';
import { ManualClock, settle } from '../testing/fakes.js';

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined, debug: () => undefined };

/** The giving side with a board whose answers the test decides. */
class Giver {
  readonly clock = new ManualClock();
  readonly states = new Map<string, OfferState>();
  readonly offered: { ids: string[]; urgent: boolean }[] = [];
  readonly left: string[] = [];
  readonly gone: string[] = [];
  readonly staying: [string, string][] = [];
  /** Holds the board's next answer back. */
  answer: Promise<void> = Promise.resolve();
  readonly handOvers: HandOvers;

  constructor() {
    const offers = {
      offer: (creators: readonly OfferedCreator[], _standMs: number, urgent: boolean) => {
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
    } as unknown as HandOversOptions['offers'];
    this.handOvers = new HandOvers({
      offers,
      leases: { transferred: () => undefined },
      clock: this.clock,
      logger: silent,
      onLeaving: () => undefined,
      onStranded: () => Promise.resolve(),
      onGone: (ids) => void this.gone.push(...ids),
      onStaying: (ids, reason) => void this.staying.push(...ids.map((id): [string, string] => [id, reason])),
      publish: () => Promise.resolve(),
    });
  }

  session(creatorId: string, listening: { since: number } = { since: 0 }): CreatorSession {
    const handOver = () => {
      this.left.push(creatorId);
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

describe('the giving side of a hand-over', () => {
  it('does not leave a room whose socket is unread, before what waits in it was read', async () => {
    const giver = new Giver();
    const listening = { since: Infinity };
    await giver.handOvers.offer([giver.session('cr_1', listening)], 'moved');
    giver.ready('cr_1');
    await giver.clock.advance(3_000);
    expect(giver.left).toEqual([]);
    listening.since = giver.clock.now();
    await giver.clock.advance(400);
    expect(giver.left).toEqual([]);
    await giver.clock.advance(300);
    expect(giver.gone).toEqual(['cr_1']);
  });

  it('keeps what is offered while the board answers a question about others', async () => {
    const giver = new Giver();
    await giver.handOvers.offer([giver.session('cr_1')], 'moved');
    let release = () => {};
    giver.answer = new Promise((resolve) => (release = resolve));
    await giver.clock.advance(150);
    await giver.handOvers.offer([giver.session('cr_2')], 'shutdown');
    giver.ready('cr_2');
    release();
    await settle();
    expect(giver.staying).toEqual([]);
    await giver.clock.advance(700);
    expect(giver.gone).toEqual(['cr_2']);
  });

  it('offers a move anew and urgently when the worker stops, unless somebody has joined the room', async () => {
    const giver = new Giver();
    const sessions = ['cr_1', 'cr_2'].map((id) => giver.session(id));
    await giver.handOvers.offer(sessions, 'moved');
    giver.states.set('cr_2', { fence: '1', state: 'taken', taker: 'b' });
    await giver.clock.advance(150);
    await giver.handOvers.offer(sessions, 'shutdown');
    expect(giver.offered).toEqual([
      { ids: ['cr_1', 'cr_2'], urgent: false },
      { ids: ['cr_1'], urgent: true },
    ]);
    await giver.clock.advance(6_000);
    expect(giver.staying.toSorted()).toEqual([
      ['cr_1', 'shutdown'],
      ['cr_2', 'shutdown'],
    ]);
  });
});
