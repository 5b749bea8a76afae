import { open, type FileHandle, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { encodeRecords, readRecord, SEGMENT_HEAD, type SpooledEvent } from './segment-record.js';

/** A segment that is written to. Tests put slow and failing disks in its place. */
export interface SegmentFile {
  /** Appends all of it, or throws; then nothing more is written to this file. */
  write(bytes: Buffer): Promise<void>;
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** Opens a segment for writing, emptying what is there. */
export type OpenSegment = (path: string) => Promise<SegmentFile>;

/** A segment that ends within a record (`torn`), has a wrong checksum (`corrupt`), or is gone. The rest of it is not used. */
export interface SpoolDamage {
  kind: 'torn' | 'corrupt' | 'missing';
  file: string;
  partition: number;
  /** Offset of the first byte that could not be used, and how many follow. */
  offset: number;
  unusedBytes: number;
}

interface Segment {
  file: string;
  first: number;
  last: number;
  bytes: number;
  /** Bytes from this offset on cannot be used. */
  readable: number;
}

/** Consecutive events; or, where they cannot be read, the number of the next one that may be readable. */
export type Stretch = { events: SpooledEvent[] } | { next: number };

export interface PartitionLogOptions {
  folder: string;
  partition: number;
  segmentBytesMax: number;
  openSegment: OpenSegment;
  onDamage(damage: SpoolDamage): void;
  /** Throws when another process has taken the folder: then a write has not happened, and a missing file is not lost. */
  verify?(): Promise<void>;
}

/** Enough for about one batch of append.lua. */
const CHUNK_BYTES = 393_216;

/**
 * The events of one partition of one run that are on disk: consecutive numbers in segments, appended at one end, deleted
 * at the other. One writer and one reader may be under way at the same time.
 */
export class PartitionLog {
  private readonly segments: Segment[] = [];
  private file: SegmentFile | undefined;
  /** Where the next event to read lies, if it was read in order so far. */
  private cursor: { file: string; n: number; offset: number } | undefined;

  constructor(private readonly options: PartitionLogOptions) {}

  get isEmpty(): boolean {
    return this.segments.length === 0;
  }

  /** Number of the first event; 0 when there is none. */
  get from(): number {
    return this.segments[0]?.first ?? 0;
  }

  /** Number of the last event; 0 when there is none. */
  get to(): number {
    return this.segments.at(-1)?.last ?? 0;
  }

  get bytes(): number {
    return this.segments.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Takes the segments of an ended run: names and sizes. Call {@link recover} before anything else. */
  adopt(files: readonly { file: string; bytes: number }[]): void {
    const found = files.map(({ file, bytes }) => ({ file, bytes, readable: bytes, first: firstOf(file), last: 0 }));
    this.segments.push(...found.sort((one, other) => one.first - other.first));
    this.segments.forEach((segment, at) => (segment.last = (this.segments[at + 1]?.first ?? segment.first) - 1));
  }

  /** Finds the end of an adopted run, and drops segments at it that hold nothing. */
  async recover(): Promise<void> {
    for (let tail = this.segments.at(-1); tail; tail = this.segments.at(-1)) {
      let offset = 0;
      for (let n = tail.first; offset < tail.readable;) {
        const read = await this.readAt(tail, offset, n);
        tail.last = Math.max(tail.last, n - 1 + read.events.length);
        n += read.events.length;
        offset = read.offset;
      }
      if (tail.last >= tail.first) return;
      this.segments.pop();
      await remove(join(this.options.folder, tail.file));
    }
  }

  /**
   * Appends events, the first of which has the number `first`: the one after {@link to} where there is any. After a failure
   * the same events can be appended again.
   */
  async append(first: number, events: readonly (readonly string[])[]): Promise<void> {
    const records = encodeRecords(first, events);
    const last = this.segments.at(-1);
    if (this.file && last && last.bytes + records.length > this.options.segmentBytesMax) await this.closeFile(true);
    let segment = this.file ? last : undefined;
    try {
      if (!segment) {
        const file = nameOf(this.options.partition, first);
        this.file = await this.options.openSegment(join(this.options.folder, file));
        await this.file.write(SEGMENT_HEAD);
        segment = { file, first, last: first - 1, bytes: SEGMENT_HEAD.length, readable: 0 };
      }
      await this.file!.write(records);
      // An open file can still be written to after its folder was taken; the other process may have read it already.
      await this.options.verify?.();
    } catch (error) {
      // The partly written record is a torn end; the next segment begins with the same event.
      await this.closeFile(false);
      throw error;
    }
    if (segment !== last) this.segments.push(segment);
    segment.bytes += records.length;
    segment.readable = segment.bytes;
    segment.last = first + events.length - 1;
  }

  /** Reads events from number `n` on, which is within {@link from} and {@link to}: `eventsMax` of them or about one chunk. */
  async read(n: number, eventsMax: number): Promise<Stretch> {
    const at = this.segments.findLastIndex(({ first }) => first <= n);
    const segment = this.segments[at];
    if (!segment || n > segment.last) return { next: this.segments[at + 1]?.first ?? this.to + 1 };
    const isNext = this.cursor?.file === segment.file && this.cursor.n === n;
    let offset = isNext ? this.cursor!.offset : 0;
    let events: SpooledEvent[] = [];
    // From its beginning where events are sent again: those before are read over.
    for (let next = isNext ? n : segment.first; next <= n && offset < segment.readable;) {
      const read = await this.readAt(segment, offset, next, next < n ? n - next : eventsMax);
      next += read.events.length;
      offset = read.offset;
      if (next > n) events = read.events;
    }
    if (events.length === 0) return { next: this.segments[this.segments.indexOf(segment) + 1]?.first ?? this.to + 1 };
    this.cursor = { file: segment.file, n: n + events.length, offset };
    return { events };
  }

  /** Deletes segments all of whose events are numbered up to `upTo`. */
  async release(upTo: number): Promise<void> {
    while (this.segments[0] && this.segments[0].last <= upTo) {
      const segment = this.segments[0];
      if (this.segments.length === 1) await this.closeFile(false);
      this.segments.shift();
      await remove(join(this.options.folder, segment.file));
    }
  }

  /** Closes the segment after a sync, so that its bytes are on the device. */
  close(): Promise<void> {
    return this.closeFile(true);
  }

  /** Consecutive events of one chunk. Damage is reported, and ends the segment. */
  private async readAt(
    segment: Segment,
    offset: number,
    n: number,
    eventsMax = Infinity,
  ): Promise<{ events: SpooledEvent[]; offset: number }> {
    const events: SpooledEvent[] = [];
    const damaged = (kind: SpoolDamage['kind']) => {
      const unusedBytes = segment.readable - offset;
      segment.readable = offset;
      this.options.onDamage({ kind, file: segment.file, partition: this.options.partition, offset, unusedBytes });
      return { events, offset };
    };
    let handle: FileHandle;
    try {
      handle = await open(join(this.options.folder, segment.file), 'r');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      await this.options.verify?.();
      return damaged('missing');
    }
    try {
      if (offset === 0) {
        const head = await readBytes(handle, 0, SEGMENT_HEAD.length);
        if (!head.equals(SEGMENT_HEAD)) return damaged(head.length < SEGMENT_HEAD.length ? 'torn' : 'corrupt');
        offset = SEGMENT_HEAD.length;
      }
      let wanted = CHUNK_BYTES;
      for (;;) {
        const start = offset;
        const chunk = await readBytes(handle, start, Math.min(wanted, segment.readable - start));
        while (events.length < eventsMax && offset < segment.readable) {
          const record = readRecord(chunk, offset - start, segment.readable - offset);
          if (record.kind === 'short') {
            // Shorter than it was: the file has lost its end.
            if (chunk.length < Math.min(wanted, segment.readable - start)) return damaged('torn');
            wanted = record.bytes;
            break;
          }
          if (record.kind !== 'event') return damaged(record.kind);
          if (record.event.n !== n + events.length) return damaged('corrupt');
          events.push(record.event);
          offset += record.bytes;
        }
        if (events.length > 0 || offset >= segment.readable) return { events, offset };
      }
    } finally {
      await handle.close();
    }
  }

  private async closeFile(isSynced: boolean): Promise<void> {
    const { file } = this;
    this.file = undefined;
    if (!file) return;
    try {
      if (isSynced) await file.sync();
    } finally {
      await file.close();
    }
  }
}

/** Opens a segment on this machine's disk, readable by this user alone: it contains comments of viewers. */
export async function openSegmentFile(path: string): Promise<SegmentFile> {
  const handle = await open(path, 'w', 0o600);
  return {
    write: (bytes) => handle.writeFile(bytes),
    sync: () => handle.datasync(),
    close: () => handle.close(),
  };
}

const nameOf = (partition: number, first: number): string => `${partition}-${String(first).padStart(15, '0')}.seg`;
const firstOf = (file: string): number => Number(/^\d+-(\d+)\.seg$/.exec(file)?.[1]);

/** The partition of a segment's file; undefined for another file. */
export function partitionOfFile(file: string): number | undefined {
  const match = /^(\d{1,3})-\d{15}\.seg$/.exec(file);
  return match ? Number(match[1]) : undefined;
}

async function readBytes(handle: FileHandle, offset: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await handle.read(Buffer.allocUnsafe(length), 0, length, offset);
  return buffer.subarray(0, bytesRead);
}

/** Deletes a file; one that is gone already is no error. */
async function remove(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
