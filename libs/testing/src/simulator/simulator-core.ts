import type { AddressInfo, Socket } from 'node:net';
import type { WebSocket } from 'ws';
import { Connection } from './room/connection.js';
import { type ActiveFault, Faults, type FaultSpec, type InstantKind } from './control/faults.js';
import { FrameWriter } from './wire/frame-writer.js';
import { sharedParts } from './traffic/shared-parts.js';
import { Random } from './traffic/random.js';
import { Replay, type ReplayOptions } from './replay/replay.js';
import { Room, type RoomContext, type RoomOptions } from './room/room.js';
import { Secrets } from './tiktok/signature.js';
import { TimerWheel } from './room/timer-wheel.js';

/** Options of a simulated TikTok; each has a default. */
export interface SimulatorOptions {
  host?: string;
  /** 0 takes a free one. */
  port?: number;
  /** The same seed makes the same users, comments, gifts and faults. */
  seed?: string;
  /** Sessions issued under the same key stay valid over a restart; a random key when missing or empty. */
  key?: string;
  rooms?: RoomOptions[];
  /** Accept `ws_direct=1` sockets that have a ttwid and a room id but no bundle. */
  anonymousAllowed?: boolean;
  /** Accept only what the SDK inside the page signed: no signature of `/sim/sign`, no anonymous socket. */
  pageOnly?: boolean;
  /** What an unsigned im/fetch gets: 200 with no body, as from TikTok since 2026-09-09, or 403. */
  refuseWith?: 'empty200' | 'http403';
  /** Messages repeated to each new viewer; TikTok repeats 6. */
  historyCount?: number;
  /** Messages of each creator that the ledger keeps. */
  ledgerMax?: number;
  /** Make traffic in rooms without viewers. */
  idleTraffic?: boolean;
  signatureTtlMs?: number;
  bundleTtlMs?: number;
  /** A viewer that sends nothing for this long is disconnected; 0 never. Clients send a heartbeat every 10 s. */
  heartbeatTimeoutMs?: number;
  /** Bytes queued for one viewer before it is disconnected as too slow. */
  bufferBytesMax?: number;
  /** Whether a `Host` header names it; every name does when missing. */
  allowsHost?: (host: string | undefined) => boolean;
}

/** Counts since the start, as `GET /sim/stats` shows them. */
export interface SimulatorStats {
  startedAt: number;
  rooms: number;
  live: number;
  connections: number;
  connectionsTotal: number;
  messages: number;
  requests: Record<string, number>;
  /** Refusals of im/fetch and upgrades by their true reason, which the client is not told. */
  refused: Record<string, number>;
  rssBytes: number;
  cpuSeconds: number;
}

const DEFAULTS = {
  host: '127.0.0.1',
  port: 0,
  seed: 'tributary',
  key: '',
  rooms: [] as RoomOptions[],
  anonymousAllowed: true,
  pageOnly: false,
  refuseWith: 'empty200' as 'empty200' | 'http403',
  historyCount: 6,
  ledgerMax: 20_000,
  idleTraffic: true,
  signatureTtlMs: 30_000,
  bundleTtlMs: 120_000,
  heartbeatTimeoutMs: 90_000,
  bufferBytesMax: 67_108_864,
  allowsHost: (_host: string | undefined): boolean => true,
};
const ROOMS_MAX = 20_000;
const TICK_MS = 10;
const SLOTS = 512;
const SLOW_TICKS = 10;

/** The rooms, connections, faults and counts of a simulated TikTok, without a server. */
export class SimulatorCore {
  readonly options: typeof DEFAULTS;
  readonly secrets: Secrets;
  readonly faults: Faults<Room>;
  readonly replays: Replay;
  readonly requests = new Map<string, number>();
  readonly refused = new Map<string, number>();
  private readonly frames = new FrameWriter();
  private readonly context: RoomContext;
  private readonly byName = new Map<string, Room>();
  private readonly byRoomId = new Map<string, Room>();
  private readonly connections = new Set<Connection>();
  /** Rooms that delay a frame under the fault `order`. */
  private readonly holding = new Set<Room>();
  private readonly random: Random;
  private wheel = new TimerWheel<Room>(TICK_MS, SLOTS, Date.now());
  private timer: NodeJS.Timeout | undefined;
  /** The address, once a server listens. */
  protected address: AddressInfo | undefined;
  private connectionsTotal = 0;
  private bundlesTotal = 0;
  private messagesRemoved = 0;
  private ticks = 0;
  private startedAt = 0;

  constructor(options: SimulatorOptions = {}) {
    this.options = { ...DEFAULTS, ...withoutUndefined(options) };
    const { seed, signatureTtlMs, bundleTtlMs, pageOnly, key } = this.options;
    if (pageOnly) this.options.anonymousAllowed = false;
    this.secrets = new Secrets({ signatureTtlMs, bundleTtlMs, pageOnly, key });
    this.faults = new Faults(seed, (fault, kind, room) => this.strike(fault, kind, room));
    this.replays = new Replay((uniqueId) => this.room(uniqueId) ?? this.openRoom({ uniqueId, rate: 0 }));
    this.random = new Random(`${seed}/simulator`);
    this.context = {
      shared: sharedParts(seed),
      seed,
      frames: this.frames,
      historyCount: this.options.historyCount,
      ledgerMax: this.options.ledgerMax,
      idleTraffic: this.options.idleTraffic,
      position: (roomId, now, seq) => this.secrets.issuePosition(roomId, now, seq),
      faultsOf: (room) => this.faults.ofRoom(room, Date.now()),
      schedule: (room, at) => this.wheel.plan(room, at),
      holding: (room) => void this.holding.add(room),
    };
    for (const room of this.options.rooms) this.openRoom(room);
  }

  /** Base URL, `http://host:port`. Serves TLS on the same port, with a certificate signed by itself. */
  get url(): string {
    return `http://${this.authority}`;
  }

  /** URL of the WebSocket for anonymous connections. */
  get socketUrl(): string {
    return `ws://${this.authority}/webcast/im/ws_proxy/ws_reuse_supplement/`;
  }

  /** Begins to make traffic. */
  protected run(): void {
    this.startedAt = Date.now();
    this.timer = setInterval(() => this.tick(), TICK_MS);
  }

  /** Makes no more traffic. */
  protected halt(): void {
    clearInterval(this.timer);
    this.timer = undefined;
    this.replays.stop();
  }

  /** Opens a creator's room. @throws RangeError when it is there already or there are too many. */
  openRoom(options: RoomOptions): Room {
    const key = options.uniqueId.toLowerCase();
    if (this.byName.has(key)) throw new RangeError(`uniqueId: ${options.uniqueId} is there already`);
    if (this.byName.size >= ROOMS_MAX) throw new RangeError(`uniqueId: no more than ${ROOMS_MAX} rooms`);
    const room = new Room(options, this.context);
    this.byName.set(key, room);
    if (options.live ?? true) this.goLive(room);
    return room;
  }

  /** The room of a handle (in any case, without `@`). */
  room(uniqueId: string): Room | undefined {
    return this.byName.get(uniqueId.toLowerCase());
  }

  /** The creator that a room id belongs or belonged to. */
  roomOfId(roomId: string): Room | undefined {
    return this.byRoomId.get(roomId);
  }

  rooms(): IterableIterator<Room> {
    return this.byName.values();
  }

  goLive(room: Room): void {
    room.goLive(Date.now());
    this.byRoomId.set(room.roomId, room);
  }

  /** Ends a broadcast, with the control message (`end`) or in silence. */
  goOffline(room: Room, end = true): void {
    room.goOffline(Date.now(), end);
    this.wheel.cancel(room);
  }

  /** Removes a room, with its connections and its ledger. */
  removeRoom(room: Room): void {
    this.goOffline(room, false);
    this.replays.stop(room);
    for (const connection of room.everyone) connection.destroy('room removed');
    this.byName.delete(room.uniqueId.toLowerCase());
    for (const { roomId } of room.broadcasts) this.byRoomId.delete(roomId);
    this.messagesRemoved += room.ledger.head;
  }

  /** Activates a fault. */
  fault(spec: FaultSpec): ActiveFault {
    return this.faults.add(spec, [...this.rooms()], Date.now());
  }

  /** Sends recorded payloads through a room's real frames; resolves when the last one is sent. */
  replay(options: ReplayOptions): Promise<{ sent: number; acked: number }> {
    return this.replays.start(options).done;
  }

  /** A viewer's socket was accepted. `seen` is the ordinal its connect bundle went up to. */
  connect(socket: WebSocket, wire: Socket, room: Room, userAgent: string, seen: number | undefined): Connection {
    const connection = new Connection(
      `c${++this.connectionsTotal}`,
      socket,
      wire,
      room,
      {
        userAgent,
        bufferBytesMax: this.options.bufferBytesMax,
        enter: (entering, roomId) => this.enter(entering, roomId),
        bytesPerSecond: (of) => this.faults.ofRoom(of, Date.now()).bytesPerSecond,
        closed: (closed) => {
          closed.room.leave(closed);
          this.connections.delete(closed);
        },
      },
      Date.now(),
    );
    this.connections.add(connection);
    room.enter(connection, Date.now(), seen);
    return connection;
  }

  /** Id of the next im/fetch answer in the ledger. */
  nextBundleId(): string {
    return `f${++this.bundlesTotal}`;
  }

  count(map: Map<string, number>, key: string): void {
    map.set(key, (map.get(key) ?? 0) + 1);
  }

  stats(): SimulatorStats {
    const rooms = [...this.rooms()];
    const { user, system } = process.cpuUsage();
    return {
      startedAt: this.startedAt,
      rooms: rooms.length,
      live: rooms.filter((room) => room.live).length,
      connections: this.connections.size,
      connectionsTotal: this.connectionsTotal,
      messages: this.messagesRemoved + rooms.reduce((sum, room) => sum + room.ledger.head, 0),
      requests: Object.fromEntries(this.requests),
      refused: Object.fromEntries(this.refused),
      rssBytes: process.memoryUsage.rss(),
      cpuSeconds: (user + system) / 1e6,
    };
  }

  private get authority(): string {
    const host = this.options.host === '0.0.0.0' ? '127.0.0.1' : this.options.host;
    return `${host}:${this.address?.port ?? this.options.port}`;
  }

  private enter(connection: Connection, roomId: string): boolean {
    const room = this.roomOfId(roomId);
    if (!room?.live || room.roomId !== roomId) return false;
    if (connection.room !== room) {
      connection.room.connections.delete(connection);
      connection.room = room;
      connection.info.roomId = roomId;
      room.enter(connection, Date.now(), undefined);
    }
    return true;
  }

  private tick(): void {
    const now = Date.now();
    this.wheel.advance(now, (room) => room.flush(now));
    this.replays.tick(now);
    if (++this.ticks % SLOW_TICKS !== 0) return;
    this.faults.tick(() => this.rooms(), now);
    if (this.ticks % (SLOW_TICKS * 10) === 0) {
      for (const room of this.holding) room.releaseHeld();
      this.holding.clear();
    }
    const { heartbeatTimeoutMs } = this.options;
    if (heartbeatTimeoutMs > 0 && this.ticks % (SLOW_TICKS * 50) === 0) {
      for (const connection of this.connections) if (connection.silentMs(now) > heartbeatTimeoutMs) connection.destroy('no heartbeat');
    }
  }

  private strike(fault: ActiveFault, kind: InstantKind, room: Room): string[] {
    const now = Date.now();
    const connections = [...room.connections];
    const ids = connections.map(({ id }) => id);
    switch (kind) {
      case 'drop':
        for (const connection of room.everyone) connection.destroy('dropped by a fault');
        return ids;
      case 'garbage': {
        const bytes = this.random.bytes(fault.bytes ?? 512);
        for (const connection of connections) connection.sendGarbage(bytes);
        return ids;
      }
      case 'truncated':
        room.sendTruncated(now);
        return ids;
      case 'duplicate':
        return room.repeatHistory(now) ? ids : [];
      case 'huge':
        if (ids.length > 0) room.sendHuge(fault.bytes ?? 33_554_432, fault.compressed ?? false, now);
        return ids;
      case 'offlineWithoutEnd':
        this.goOffline(room, false);
        return ids;
    }
  }
}

function withoutUndefined<T extends object>(options: T): Partial<T> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Partial<T>;
}
