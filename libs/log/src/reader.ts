import type { Redis } from 'ioredis';
import type { LogKeys } from './keys.js';
import { inboxBytes } from './limits.js';
import { LuaScript } from '@tributary/runtime/lua-script';

const READ = new LuaScript(new URL('./read.lua', import.meta.url));
const CONFIRM = new LuaScript(new URL('./confirm.lua', import.meta.url));
const COUNT = new LuaScript(new URL('./count.lua', import.meta.url));
const TRIM = new LuaScript(new URL('./trim.lua', import.meta.url));
/** A producer run that nobody confirmed for this long is over. */
const FORGET_RUN_MS = 7 * 86_400_000;

/** Where a reader stands in one partition: an entry id, valid in one life (epoch) of it. */
export interface PartitionPosition {
  epoch: string;
  id: string;
}

/** Positions by partition number; a missing one is read from the beginning. */
export type Positions = Record<string, PartitionPosition>;

/** One entry of the inbox, its fields as text: nothing is checked yet. */
export interface InboxEntry {
  partition: number;
  entryId: string;
  fields: Record<string, string>;
}

/** What was read: entries, in order within each partition, and the positions after them. */
export interface InboxBatch {
  from: Positions;
  to: Positions;
  entries: InboxEntry[];
}

export interface InboxReaderOptions {
  redis: Redis;
  keys: LogKeys;
  /** Most entries of one batch over all partitions. */
  batchEntriesMax: number;
  /** ms that stored entries are kept for readers outside. */
  keepMs: number;
  /** Bytes the whole inbox may take; 0: half of Redis's maxmemory. */
  inboxBytesMax: number;
}

/** Reads the inbox for the store, and tells it back what became permanent. It keeps no position: PostgreSQL does. */
export class InboxReader {
  constructor(private readonly options: InboxReaderOptions) {}

  /** Reads what comes after `from`; an empty batch when there is nothing. */
  async read(from: Positions): Promise<InboxBatch> {
    const { redis, keys, batchEntriesMax } = this.options;
    const perPartition = Math.max(1, Math.ceil(batchEntriesMax / keys.partitions));
    const entries: InboxEntry[] = [];
    const to: Positions = { ...from };
    const parts = await Promise.all(
      Array.from({ length: keys.partitions }, async (_, partition) => {
        const position = from[partition] ?? { epoch: '', id: '0-0' };
        const answer = await READ.run(redis, [keys.inbox(partition), keys.epoch(partition)], [position.epoch, position.id, perPartition]);
        return answer as [string, [string, string[]][]];
      }),
    );
    parts.forEach(([epoch, rows], partition) => {
      for (const [entryId, flat] of rows) entries.push({ partition, entryId, fields: toFields(flat) });
      const last = rows.at(-1);
      if (last) to[partition] = { epoch, id: last[0] };
    });
    return { from, to, entries };
  }

  /** Tells the producers that these entries are stored. */
  async confirm(entries: readonly InboxEntry[]): Promise<void> {
    const { redis, keys } = this.options;
    const newest = new Map<number, Map<string, number>>();
    for (const { partition, fields } of entries) {
      const number = Number(fields.n);
      if (!fields.run || !Number.isSafeInteger(number)) continue;
      const runs = newest.get(partition) ?? new Map<string, number>();
      runs.set(fields.run, Math.max(number, runs.get(fields.run) ?? 0));
      newest.set(partition, runs);
    }
    await Promise.all(
      [...newest].map(([partition, runs]) => CONFIRM.run(redis, [keys.stored(partition)], [Date.now(), ...[...runs].flat()])),
    );
  }

  /** Confirms again what lies just before `positions`: a writer may have died between its commit and its confirmation. */
  async reconfirm(positions: Positions): Promise<void> {
    const { redis, keys } = this.options;
    for (const [partition, { epoch, id }] of Object.entries(positions)) {
      if ((await redis.get(keys.epoch(Number(partition)))) !== epoch) continue;
      const rows = await redis.xrevrange(keys.inbox(Number(partition)), id, '-', 'COUNT', this.options.batchEntriesMax);
      await this.confirm(rows.map(([entryId, flat]) => ({ partition: Number(partition), entryId, fields: toFields(flat) })));
    }
  }

  /** Trims every partition behind what is stored; returns the number of entries removed. */
  async trim(stored: Positions): Promise<number> {
    const { redis, keys, keepMs, inboxBytesMax } = this.options;
    const now = Date.now();
    const bytesMax = Math.floor((await inboxBytes(redis, inboxBytesMax)) / keys.partitions);
    let removed = 0;
    for (const [partition, { epoch, id }] of Object.entries(stored)) {
      const p = Number(partition);
      if ((await redis.get(keys.epoch(p))) !== epoch) continue;
      const aged = `${now - keepMs}-0`;
      const keep = now - keepMs < Number(id.split('-')[0]) ? aged : id;
      const args = [id, keep, bytesMax, now - FORGET_RUN_MS];
      removed += Number(await TRIM.run(redis, [keys.inbox(p), keys.producers(p), keys.stored(p)], args));
    }
    return removed;
  }

  /** Age in ms of the oldest entry after `positions`; 0 when there is none. */
  async oldestMs(positions: Positions): Promise<number> {
    const firsts = await Promise.all(
      this.starts(positions).map(({ inbox, start }) => this.options.redis.xrange(inbox, start, '+', 'COUNT', 1)),
    );
    const times = firsts.flatMap(([first]) => (first ? [Number(first[0].split('-')[0])] : []));
    return times.length === 0 ? 0 : Math.max(0, Date.now() - Math.min(...times));
  }

  /** How far the store lags behind: entries after `positions` (counted up to 10,000 in each partition), and the age of the oldest. */
  async lag(positions: Positions): Promise<{ entries: number; oldestMs: number }> {
    const counts = await Promise.all(
      this.starts(positions).map(({ inbox, start }) => COUNT.run(this.options.redis, [inbox], [start, 10_000])),
    );
    return { entries: counts.reduce<number>((sum, count) => sum + Number(count), 0), oldestMs: await this.oldestMs(positions) };
  }

  private starts(positions: Positions): { inbox: string; start: string }[] {
    return Array.from({ length: this.options.keys.partitions }, (_, partition) => {
      const position = positions[partition];
      return { inbox: this.options.keys.inbox(partition), start: position ? `(${position.id}` : '-' };
    });
  }
}

function toFields(flat: string[]): Record<string, string> {
  const fields: Record<string, string> = {};
  for (let i = 0; i < flat.length; i += 2) fields[flat[i]!] = flat[i + 1]!;
  return fields;
}
