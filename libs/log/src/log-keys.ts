import { createHash } from 'node:crypto';

/** Creators whose partition is remembered: hashing each event's creator took 6 % of a worker. */
const REMEMBERED_MAX = 65_536;

/** Redis keys of the log. Keys of one partition share a hash tag, so that a script never spans two slots. */
export class LogKeys {
  private readonly remembered = new Map<string, number>();

  constructor(
    readonly prefix: string,
    readonly partitions: number,
  ) {}

  /** The partition of a creator: stable, by its internal id. */
  partitionOf(creatorId: string): number {
    const known = this.remembered.get(creatorId);
    if (known !== undefined) return known;
    const partition = createHash('sha1').update(creatorId).digest().readUInt32BE(0) % this.partitions;
    if (this.remembered.size >= REMEMBERED_MAX) this.remembered.clear();
    this.remembered.set(creatorId, partition);
    return partition;
  }

  inbox = (partition: number): string => this.of(partition, 'events');
  /** Hash: creator id -> `fence worker expiresAtMs`. */
  leases = (partition: number): string => this.of(partition, 'leases');
  /** Hash: producer run -> number of its last appended event. */
  producers = (partition: number): string => this.of(partition, 'producers');
  /** String: the process that replays the spool of a run, whose own appends are refused from then on; a week long. */
  taker = (partition: number, run: string): string => this.of(partition, `taker:${run}`);
  /** Hash: producer run -> number up to which the store has committed. */
  stored = (partition: number): string => this.of(partition, 'stored');
  /** String: random id (epoch) of the partition. A wipe removes it, so the next one differs. */
  epoch = (partition: number): string => this.of(partition, 'epoch');
  /** String: entries and bytes ever appended, and the bytes before the oldest entry, as append last looked them up. */
  appended = (partition: number): string => this.of(partition, 'appended');
  /** Hash: producer run -> number of its last event at the checkpoint; under '' the id of the newest entry at that moment. */
  checkpoint = (partition: number): string => this.of(partition, 'checkpoint');
  /** Hash `carry`: creator id -> handover state for its next holder (open gift streaks, totals), written with the event that changes it. */
  handoverState = (partition: number): string => this.of(partition, 'carry');
  /** Hash: creator id -> ms of the last appended event's arrival: where a takeover's gap begins. */
  last = (partition: number): string => this.of(partition, 'last');

  /** Channel on which append announces new entries. A lost message costs one idle poll. */
  get wake(): string {
    return `${this.prefix}:wake`;
  }
  get feed(): string {
    return `${this.prefix}:feed`;
  }
  /** String: `generation seq` of the newest commit, to notice a database that was restored from a backup. */
  get head(): string {
    return `${this.prefix}:head`;
  }
  /** String: the number of partitions this Redis was first used with. */
  get partitionCount(): string {
    return `${this.prefix}:partitions`;
  }

  private of(partition: number, name: string): string {
    return `${this.prefix}:{${partition}}:${name}`;
  }
}
