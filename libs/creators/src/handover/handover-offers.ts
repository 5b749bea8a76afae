import type { Redis } from 'ioredis';
import { LuaScript } from '@tributary/runtime/lua-script';
import type { LeaseKeys } from '../leases/lease-manager.js';

/** A live creator that its holder wants to hand over. */
export interface OfferedCreator {
  creatorId: string;
  /** Of the holder's lease. */
  fence: string;
  /** The room whose messages the holder receives. No spaces. */
  roomId: string;
}

/** An offer that this worker took. It is valid for `offerTtlMs` from now. */
export interface TakenOffer extends OfferedCreator {
  /** Its holder stops; otherwise it only wants to hold less. */
  urgent: boolean;
  offerTtlMs: number;
}

/** The state of an offer. `ready`: the worker that took it receives the room. */
export interface OfferState {
  fence: string;
  state: 'open' | 'taken' | 'ready';
  /** The lease name of the worker that took it. */
  taker?: string;
}

/** A lease to transfer to the worker that took its offer, once the creator's handover state contains `proof`. */
export interface Transfer {
  creatorId: string;
  fence: string;
  to: string;
  /** Text that only the holder's last event writes into the handover state. */
  proof: string;
}

export type TransferResult = 'done' | 'not-yet' | 'lost';

export interface HandoverOffersOptions {
  redis: Redis;
  keys: LeaseKeys;
  /** The name that leases are held under. */
  worker: string;
  leaseTtlMs: number;
  /** Channel on which every change is announced, so that no worker waits for its next poll. */
  channel: string;
}

const offerScript = new LuaScript(new URL('./offer.lua', import.meta.url));
const takeScript = new LuaScript(new URL('./take-offers.lua', import.meta.url));
const answerScript = new LuaScript(new URL('./answer-offers.lua', import.meta.url));
const withdrawScript = new LuaScript(new URL('./withdraw-offers.lua', import.meta.url));
const transferScript = new LuaScript(new URL('./transfer.lua', import.meta.url));

const OFFER = /^(\d+) \S+ \d \d+ \S+ (open|taken|ready) (\S+)$/;

/**
 * Offers by which workers hand live creators over without a gap. The holder offers a creator; another worker takes the offer,
 * joins the room, reports that it receives the room, and gets the lease. Hash `<leases>:offers` of each partition. Only the
 * fence of the lease decides who may append, so an offer may be lost at any time. Every method throws when Redis does not answer.
 */
export class HandoverOffers {
  constructor(private readonly options: HandoverOffersOptions) {}

  /**
   * Offers these for `offerTtlMs` ms. An older offer of the same creator is replaced; where a worker has taken it, it stays taken.
   * Returns the ids that are offered now.
   */
  async offer(creators: readonly OfferedCreator[], offerTtlMs: number, urgent: boolean): Promise<Set<string>> {
    const { worker, channel } = this.options;
    const offered = new Set<string>();
    await this.each(creators, async (partition, part) => {
      const args = part.flatMap(({ creatorId, fence, roomId }) => [creatorId, fence, roomId]);
      const answers = await this.run(offerScript, partition, true, [worker, offerTtlMs, urgent ? 1 : 0, channel, ...args]);
      part.forEach(({ creatorId }, at) => void (answers[at] === 1 && offered.add(creatorId)));
    });
    return offered;
  }

  /** Takes up to `max` offers of others; those that are not urgent only where `all` is true. */
  async take(max: number, all: boolean): Promise<TakenOffer[]> {
    const { keys, worker } = this.options;
    const taken: TakenOffer[] = [];
    // Takers begin at different partitions, so that they do not race for the same offers.
    const from = Math.floor(Math.random() * keys.partitions);
    for (let step = 0; step < keys.partitions && taken.length < max; step += 1) {
      const args = [worker, max - taken.length, all ? 1 : 0];
      const answer = (await this.run(takeScript, (from + step) % keys.partitions, true, args)).map(String);
      for (let at = 0; at < answer.length; at += 5) {
        const [creatorId = '', fence = '', roomId = '', urgent, offerTtlMs] = answer.slice(at, at + 5);
        taken.push({ creatorId, fence, roomId, urgent: urgent === '1', offerTtlMs: Number(offerTtlMs) });
      }
    }
    return taken;
  }

  /** The offers of these creators; a creator without an offer is not in the answer. */
  async states(creatorIds: Iterable<string>): Promise<Map<string, OfferState>> {
    const states = new Map<string, OfferState>();
    const named = [...creatorIds].map((creatorId) => ({ creatorId }));
    await this.each(named, async (partition, part) => {
      const texts = await this.options.redis.hmget(this.key(partition), ...part.map(({ creatorId }) => creatorId));
      part.forEach(({ creatorId }, at) => {
        const [, fence, state, taker] = OFFER.exec(texts[at] ?? '') ?? [];
        if (fence === undefined) return;
        states.set(creatorId, { fence, state: state as OfferState['state'], ...(taker === '-' ? {} : { taker }) });
      });
    });
    return states;
  }

  /** The receiver's answer: `ready`, `open` (another worker may take it), `none` (it cannot be done). Offers of other fences stay as they are. */
  async answer(offers: readonly Pick<OfferedCreator, 'creatorId' | 'fence'>[], word: 'ready' | 'open' | 'none'): Promise<void> {
    const { worker, channel } = this.options;
    await this.each(offers, async (partition, part) => {
      await this.run(answerScript, partition, false, [worker, word, channel, ...pairsOf(part)]);
    });
  }

  /** Withdraws offers, even taken ones. */
  async withdraw(offers: readonly Pick<OfferedCreator, 'creatorId' | 'fence'>[]): Promise<void> {
    await this.each(offers, async (partition, part) => {
      await this.run(withdrawScript, partition, false, [this.options.channel, ...pairsOf(part)]);
    });
  }

  /** Transfers leases to the workers that took their offers; `not-yet` where the last event is not in the inbox. */
  async transfer(transfers: readonly Transfer[]): Promise<Map<string, TransferResult>> {
    const { worker, leaseTtlMs, channel, keys } = this.options;
    const results = new Map<string, TransferResult>();
    await this.each(transfers, async (partition, part) => {
      const args = part.flatMap(({ creatorId, fence, to, proof }) => [creatorId, fence, to, proof]);
      const scriptKeys = [keys.leases(partition), this.key(partition), keys.handoverState(partition)];
      const answers = (await transferScript.run(this.options.redis, scriptKeys, [worker, leaseTtlMs, channel, ...args])) as number[];
      part.forEach(({ creatorId }, at) => results.set(creatorId, answers[at] === 1 ? 'done' : answers[at] === 0 ? 'not-yet' : 'lost'));
    });
    return results;
  }

  /** Calls `onWake` at every change by any worker, while `subscriber` is connected. Returns a function that ends it. */
  listen(subscriber: Redis, onWake: (what: 'offer' | 'state') => void): () => void {
    const { channel } = this.options;
    const onMessage = (from: string, what: string) => {
      if (from === channel) onWake(what === 'offer' ? 'offer' : 'state');
    };
    // A subscription that fails is repeated with the next connection; until then each worker finds changes by polling.
    const subscribe = () => void subscriber.subscribe(channel).catch(() => undefined);
    subscriber.on('message', onMessage);
    subscriber.on('ready', subscribe);
    if (subscriber.status === 'ready') subscribe();
    return () => {
      subscriber.off('message', onMessage);
      subscriber.off('ready', subscribe);
    };
  }

  private key(partition: number): string {
    return offersKey(this.options.keys, partition);
  }

  private async run(script: LuaScript, partition: number, withLeases: boolean, args: (string | number)[]): Promise<unknown[]> {
    const scriptKeys = [...(withLeases ? [this.options.keys.leases(partition)] : []), this.key(partition)];
    return (await script.run(this.options.redis, scriptKeys, args)) as unknown[];
  }

  /** One command per partition. */
  private async each<T extends { creatorId: string }>(
    items: readonly T[],
    step: (partition: number, part: T[]) => Promise<void>,
  ): Promise<void> {
    const parts = new Map<number, T[]>();
    for (const item of items) {
      const partition = this.options.keys.partitionOf(item.creatorId);
      const part = parts.get(partition);
      if (part) part.push(item);
      else parts.set(partition, [item]);
    }
    await Promise.all([...parts].map(([partition, part]) => step(partition, part)));
  }
}

/** Beside the leases, in their slot. */
export function offersKey(keys: LeaseKeys, partition: number): string {
  return `${keys.leases(partition)}:offers`;
}

function pairsOf(offers: readonly Pick<OfferedCreator, 'creatorId' | 'fence'>[]): string[] {
  return offers.flatMap(({ creatorId, fence }) => [creatorId, fence]);
}
