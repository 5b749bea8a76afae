import type { CreatorProjection, CreatorRecord } from '@tributary/creators';
import type { Clock } from '../pacing/clock.js';

/** The creators to be monitored, as the projection in Redis names them. While it is missing, the last known list stays. */
export class MonitoredCreators {
  private records: ReadonlyMap<string, CreatorRecord> | undefined;
  private version: string | undefined;
  /** ms since 1970; undefined while there is a projection. */
  private missingSince: number | undefined;

  constructor(private readonly options: { projection: CreatorProjection; clock: Clock }) {}

  /** Reads the projection where it has changed; true if it has. Throws when Redis does not answer. */
  async refresh(): Promise<boolean> {
    const { projection, clock } = this.options;
    const version = await projection.version();
    this.missingSince = version === null ? (this.missingSince ?? clock.now()) : undefined;
    if (version === null || version === this.version) return false;
    const read = await projection.read();
    if (!read) return false;
    this.version = read.version;
    this.records = new Map(read.creators.map((record) => [record.id, record]));
    return true;
  }

  /** Whether the projection has been read at least once. */
  get isKnown(): boolean {
    return this.records !== undefined;
  }

  /** Whether there is no projection in Redis, and has not been one for less than `ms`. */
  isMissingForLessThan(ms: number): boolean {
    return this.missingSince !== undefined && this.options.clock.now() - this.missingSince < ms;
  }

  get(creatorId: string): CreatorRecord | undefined {
    return this.records?.get(creatorId);
  }

  /** The record of a creator that is not paused. */
  active(creatorId: string): CreatorRecord | undefined {
    const record = this.get(creatorId);
    return record?.paused ? undefined : record;
  }

  /** All creators that are not paused. */
  allActive(): CreatorRecord[] {
    return [...(this.records?.values() ?? [])].filter(({ paused }) => !paused);
  }

  /** The handle of a creator: '' where it is not monitored, undefined before the projection was read. */
  handleOf(creatorId: string): string | undefined {
    return this.records && (this.records.get(creatorId)?.uniqueId ?? '');
  }
}
