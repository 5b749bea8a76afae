import { Random } from '../traffic/random.js';

/** Faults that happen at a moment, to the open connections of a room. */
export const INSTANT = ['drop', 'garbage', 'truncated', 'duplicate', 'huge', 'offlineWithoutEnd'] as const;
/** Faults that last, and change what a room writes. */
export const ROOM_LASTING = ['silence', 'slow', 'order'] as const;
/** Faults that last, and change the answers to requests and upgrades. */
export const REQUEST_LASTING = [
  'hang',
  'http403',
  'http429',
  'http500',
  'empty200',
  'deviceBlocked',
  'slowHttp',
  'alwaysAlive',
  'userNotFound',
] as const;
export const FAULT_KINDS = [...INSTANT, ...ROOM_LASTING, ...REQUEST_LASTING] as const;

export type InstantKind = (typeof INSTANT)[number];
export type RequestKind = (typeof REQUEST_LASTING)[number];
export type FaultKind = (typeof FAULT_KINDS)[number];

/**
 * What to break. Without `uniqueId` it is every room, without `path` every route of TikTok's side.
 *
 * - At a moment (`drop`, `garbage`, `truncated`, `duplicate`, `huge`, `offlineWithoutEnd`): at once, `count` times; with
 *   `ratePerMinute` at random times for each room, until `durationMs` is over or it is removed.
 * - Lasting: for `durationMs`, or until removed; request faults end after `count` hits, and hit once when neither is given.
 *   With `ratePerMinute` episodes of `durationMs` begin at random times until it is removed. `alwaysAlive`: the batched check
 *   calls every room alive; `userNotFound`: the room API knows nobody. They affect their own route only.
 */
export interface FaultSpec {
  kind: FaultKind;
  uniqueId?: string;
  /** Beginning of the path, e.g. `/webcast/im/fetch/`. Request faults only. */
  path?: string;
  durationMs?: number;
  ratePerMinute?: number;
  count?: number;
  /** `huge`: size of its payload, default 32 MiB; `garbage`: default 512. */
  bytes?: number;
  /** `huge`: gzip it (a decompression bomb of a few KB) or not (default). */
  compressed?: boolean;
  /** `slow` and `slowHttp`: default 512. */
  bytesPerSecond?: number;
}

export interface ActiveFault extends FaultSpec {
  id: number;
  createdAt: number;
  /** When it ends by itself, ms since 1970. */
  until?: number;
  /** How often it took effect. */
  fired: number;
}

/** One effect of a fault, as `GET /sim/faults/log` lists it. */
export interface FaultLogEntry {
  at: number;
  fault: number;
  kind: FaultKind;
  uniqueId?: string;
  path?: string;
  /** End of the episode of a lasting fault, ms since 1970. */
  until?: number;
  /** Connections it hit. */
  connections?: string[];
}

/** The combined effect of the active faults on what a room writes. */
export interface RoomFaults {
  silent: boolean;
  shuffled: boolean;
  bytesPerSecond?: number;
}

/** Faults that affect one kind of request only. */
const OWN_ROUTES: { [kind in RequestKind]?: RegExp } = {
  deviceBlocked: /\/ws_reuse_supplement\/|\/im\/push\//,
  alwaysAlive: /^\/webcast\/room\/check_alive\b/,
  userNotFound: /^\/api-live\/user\/room\b/,
};
const NO_FAULTS: RoomFaults = { silent: false, shuffled: false };
const LOG_MAX = 20_000;
const FAULTS_MAX = 1_000;
const SLOW_BYTES_PER_SECOND = 512;

/** What a fault needs of a room. */
export interface FaultyRoom {
  readonly uniqueId: string;
  readonly live: boolean;
}

type Strike<R> = (fault: ActiveFault, kind: InstantKind, room: R) => string[];

/** The active faults, their seeded schedule, and the log of their effects. */
export class Faults<R extends FaultyRoom> {
  private active: ActiveFault[] = [];
  /** Episodes of faults with a rate: `id uniqueId` -> ms at which it ends. */
  private readonly episodes = new Map<string, number>();
  private readonly entries: FaultLogEntry[] = [];
  private readonly random: Random;
  private nextId = 1;
  private lastTickAt = 0;

  constructor(
    seed: string,
    private readonly strike: Strike<R>,
  ) {
    this.random = new Random(`${seed}/faults`);
  }

  list(): ActiveFault[] {
    return this.active;
  }

  log(): FaultLogEntry[] {
    return this.entries;
  }

  /** Activates a fault. One that happens at a moment and has no rate takes effect on `rooms` before this returns. */
  add(spec: FaultSpec, rooms: Iterable<R>, now: number): ActiveFault {
    if (this.active.length >= FAULTS_MAX) throw new RangeError(`no more than ${FAULTS_MAX} faults at once`);
    const fault: ActiveFault = { ...spec, id: this.nextId++, createdAt: now, fired: 0 };
    if (spec.ratePerMinute === undefined) {
      if (spec.durationMs !== undefined) fault.until = now + spec.durationMs;
      else if (isRequestKind(spec.kind)) fault.count ??= 1;
      if (isInstant(spec.kind)) {
        for (const room of matching(fault, rooms)) {
          for (let i = 0; i < (spec.count ?? 1); i++) this.strikeNow(fault, spec.kind, room, now);
        }
        return fault;
      }
      this.note(fault, now, { uniqueId: spec.uniqueId, path: spec.path, until: fault.until });
    } else if (isInstant(spec.kind) && spec.durationMs !== undefined) {
      fault.until = now + spec.durationMs;
    }
    this.active.push(fault);
    return fault;
  }

  /** Ends one fault, or all. False when there is no such fault. */
  remove(id?: number): boolean {
    const before = this.active.length;
    this.active = id === undefined ? [] : this.active.filter((fault) => fault.id !== id);
    for (const key of this.episodes.keys()) if (id === undefined || key.startsWith(`${id} `)) this.episodes.delete(key);
    return id === undefined || this.active.length < before;
  }

  /** Begins the episodes that are due, and ends those that are over. */
  tick(allRooms: () => Iterable<R>, now: number): void {
    const elapsedMs = Math.min(1_000, this.lastTickAt === 0 ? 0 : now - this.lastTickAt);
    this.lastTickAt = now;
    if (this.active.length === 0) return;
    this.active = this.active.filter(
      (fault) => (fault.until ?? Infinity) > now && (fault.count === undefined || fault.fired < fault.count),
    );
    for (const [key, until] of this.episodes) if (until <= now) this.episodes.delete(key);
    const rooms = [...allRooms()];
    for (const fault of this.active) {
      if (fault.ratePerMinute === undefined) continue;
      const probability = (fault.ratePerMinute / 60_000) * elapsedMs;
      if (isRequestKind(fault.kind)) this.begin(fault, fault.uniqueId ?? '', probability, now);
      else for (const room of matching(fault, rooms)) this.begin(fault, room, probability, now);
    }
  }

  /** The combined effect of the faults on `room` at this moment. */
  ofRoom(room: Pick<FaultyRoom, 'uniqueId'>, now: number): RoomFaults {
    if (this.active.length === 0) return NO_FAULTS;
    let faults = NO_FAULTS;
    for (const fault of this.active) {
      if (isInstant(fault.kind) || isRequestKind(fault.kind) || !this.inForce(fault, room.uniqueId, now)) continue;
      faults = {
        silent: faults.silent || fault.kind === 'silence',
        shuffled: faults.shuffled || fault.kind === 'order',
        bytesPerSecond: fault.kind === 'slow' ? (fault.bytesPerSecond ?? SLOW_BYTES_PER_SECOND) : faults.bytesPerSecond,
      };
    }
    return faults;
  }

  /** The fault that affects a request or upgrade of `path` about `uniqueId`; it is counted and logged. */
  request(path: string, uniqueId: string | undefined, now: number): { kind: RequestKind; bytesPerSecond: number } | undefined {
    for (const fault of this.active) {
      const { kind } = fault;
      if (!isRequestKind(kind) || (fault.path !== undefined && !path.startsWith(fault.path))) continue;
      if (OWN_ROUTES[kind]?.test(path) === false) continue;
      if (fault.uniqueId !== undefined && fault.uniqueId !== uniqueId) continue;
      if (!this.inForce(fault, fault.uniqueId ?? '', now) || (fault.count !== undefined && fault.fired >= fault.count)) continue;
      fault.fired++;
      this.note(fault, now, { uniqueId, path });
      return { kind, bytesPerSecond: fault.bytesPerSecond ?? SLOW_BYTES_PER_SECOND };
    }
    return undefined;
  }

  private begin(fault: ActiveFault, subject: R | string, probability: number, now: number): void {
    if (fault.count !== undefined && fault.fired >= fault.count) return;
    if (!this.random.chance(probability)) return;
    if (isInstant(fault.kind)) {
      if (typeof subject !== 'string') this.strikeNow(fault, fault.kind, subject, now);
      return;
    }
    const uniqueId = typeof subject === 'string' ? subject : subject.uniqueId;
    const key = `${fault.id} ${uniqueId}`;
    if (this.episodes.has(key)) return;
    const until = now + (fault.durationMs ?? 0);
    this.episodes.set(key, until);
    if (!isRequestKind(fault.kind)) fault.fired++;
    this.note(fault, now, { uniqueId: uniqueId || undefined, until });
  }

  private inForce(fault: ActiveFault, uniqueId: string, now: number): boolean {
    if (fault.ratePerMinute !== undefined) return (this.episodes.get(`${fault.id} ${uniqueId}`) ?? 0) > now;
    if (fault.uniqueId !== undefined && fault.uniqueId !== uniqueId) return false;
    return (fault.until ?? Infinity) > now;
  }

  private strikeNow(fault: ActiveFault, kind: InstantKind, room: R, now: number): void {
    const connections = this.strike(fault, kind, room);
    if (connections.length === 0 && kind !== 'offlineWithoutEnd') return;
    fault.fired++;
    this.note(fault, now, { uniqueId: room.uniqueId, connections });
  }

  private note(fault: ActiveFault, at: number, what: Partial<FaultLogEntry>): void {
    this.entries.push({ at, fault: fault.id, kind: fault.kind, ...what });
    if (this.entries.length > LOG_MAX) this.entries.splice(0, this.entries.length - LOG_MAX);
  }
}

export function isInstant(kind: FaultKind): kind is InstantKind {
  return (INSTANT as readonly string[]).includes(kind);
}

export function isRequestKind(kind: FaultKind): kind is RequestKind {
  return (REQUEST_LASTING as readonly string[]).includes(kind);
}

function* matching<R extends FaultyRoom>(fault: ActiveFault, rooms: Iterable<R>): Generator<R> {
  for (const room of rooms) {
    if (fault.uniqueId === undefined ? room.live : room.uniqueId === fault.uniqueId) yield room;
  }
}
