/**
 * What the dashboard reads of the API's answers; times are ISO texts, durations ms. The API may say more, never less: a test compiles
 * these beside the API's own description.
 */

export interface Page<T> {
  data: T[];
  /** Cursor of the page behind this one; null for the last. */
  next: string | null;
}

/** A refusal: `errors` names each bad field, `neededScope` what the key lacks, `setting` what the operator has not set. */
export interface Problem {
  detail: string;
  errors?: { field: string; expected: string }[];
  neededScope?: string;
  setting?: string;
}

export type CreatorState = 'live' | 'offline' | 'connecting' | 'reconnecting' | 'gated' | 'blocked' | 'error' | 'paused' | 'unknown';

export interface CreatorProblem {
  reason: string;
  message: string;
  at: string;
  retryAt?: string;
}

export interface Creator {
  id: string;
  uniqueId: string;
  paused: boolean;
  /** null: the API cannot say it now. */
  state: CreatorState | null;
  since: string | null;
  liveSince: string | null;
  lastKnown: { live: boolean; at: string } | null;
  worker: string | null;
  roomId: string | null;
  title: string | null;
  viewers: number | null;
  lastError: CreatorProblem | null;
  queue: { place: number; waitMs: number } | null;
}

export interface CreatorDetail extends Creator {
  handles: { uniqueId: string }[];
  counters: Record<string, number> | null;
}

export interface Added {
  data: { index: number; result: 'created' | 'exists' | 'invalid'; reason?: string }[];
  created: number;
  exists: number;
  invalid: number;
}

export interface Session {
  roomId: string;
  startedAt: string;
  endedAt: string | null;
  endReason: string | null;
  lastEventAt: string;
  viewers: { peak: number; average: number };
  chats: number;
  roomLikes: number;
  unpricedGifts: number;
  diamonds: number;
  gaps: number;
  gapMs: number;
}

export interface SessionDetail extends Session {
  chatters: number;
  gifters: number;
}

export type Bucket = '10s' | '1m' | '5m' | '1h';

export interface TimelinePoint {
  at: string;
  /** null where no event says it. */
  viewers: number | null;
  diamonds: number;
}

export interface Timeline {
  bucket: Bucket;
  data: TimelinePoint[];
}

export interface Leader {
  rank: number;
  user: { id: string; uniqueId: string | null; nickname: string | null };
  diamonds: number;
  chats: number;
}

/** One part of the system: its facts, or why there are none. */
export type Probed<T> = ({ ok: true } & T) | { ok: false; reason: string };

export interface Worker {
  worker: string;
  capacity: number;
  creators: number;
  counters: { received: number; appended: number; confirmed: number };
  startedAt: string;
  beatAgeMs: number;
}

/** The parts that may be absent are not told to a key that is limited to creators. */
export interface Status {
  time: string;
  store?: Probed<{ lag: { entries: number; oldestMs: number }; sessionsBehind: number; deadLetters: number }>;
  workers?: Probed<{ list: Worker[] }>;
  creators: Probed<{ total: number; paused: number }>;
  leases?: Probed<{ held: number }>;
  redis?: Probed<{ latencyMs: number; usedBytes: number; maxBytes: number; policy: string }>;
  postgres?: Probed<{ latencyMs: number; version: string; connections: { open: number; idle: number } }>;
  /** What the signer says goes through the API unread. */
  signer?: Probed<{ latencyMs: number; providers?: unknown }>;
  live: { streams: number };
}

/** One provider as a signer reports it. It may be of another version, so that each part may be absent. */
export interface ProviderReport {
  name?: string;
  operations?: { connect?: OperationReport };
}

export interface OperationReport {
  breaker?: { state?: string };
  recent?: { successRate?: number | null; latencyMs?: { p50?: number } | null };
}

export type FailureCategory =
  | 'dns'
  | 'blocked_address'
  | 'connect'
  | 'tls'
  | 'timeout'
  | 'reset'
  | 'response'
  | 'redirect'
  | 'throttled'
  | 'gone'
  | 'status';

export interface EndpointHealth {
  failingSince: string | null;
  lastSuccessAt: string | null;
  lastFailure: { at: string; category: FailureCategory | null; status: number | null } | null;
  throttledUntil: string | null;
  recent: { delivered: number; failed: number };
  dead: number;
}

export interface EndpointLag {
  /** Matching events that are not planned yet; null: they cannot be counted in time. */
  events: number | null;
  more: boolean;
  open: number;
  retrying: number;
  oldestAt: string | null;
}

export interface Endpoint {
  id: string;
  url: string;
  description: string;
  creators: string[] | null;
  types: string[] | null;
  ordered: boolean;
  maxInFlight: number;
  batch: { maxEvents: number; maxWaitMs: number } | null;
  rateLimit: number | null;
  timeoutMs: number;
  signatures: ('v1' | 'v1a')[];
  headers: Record<string, string>;
  state: 'enabled' | 'paused' | 'disabled';
  reason: 'gone' | 'failing' | 'owner' | null;
  stateSince: string;
  createdAt: string;
  lag: EndpointLag;
  health: EndpointHealth;
}

export interface Backlog {
  /** null: they cannot be counted in time. */
  events: number | null;
  more: boolean;
  oldestAt: string | null;
  lostAt: string | null;
}

export interface EndpointDetail extends Endpoint {
  backlog: Backlog;
}

export interface Attempt {
  at: string;
  latencyMs: number;
  status?: number;
  category?: FailureCategory;
  events: number;
  request: { url: string; headers: Record<string, string>; bytes: number };
  response: { headers: Record<string, string>; body: string };
}

export interface Delivery {
  id: string;
  state: 'open' | 'delivered' | 'dead' | 'cancelled' | 'erased';
  kind: 'live' | 'replay' | 'retry' | 'test';
  events: number;
  /** Of its first events. */
  types: string[];
  creators: { uniqueId: string }[];
  attempts: number;
  nextAttemptAt: string | null;
  createdAt: string;
  lastStatus: number | null;
  lastCategory: FailureCategory | null;
  lastLatencyMs: number | null;
}

export interface DeliveryDetail extends Delivery {
  eventList: { id: string; type: string }[];
}

export interface Replay {
  id: string;
  state: 'running' | 'done' | 'cancelled';
  progress: number;
  rateLimit: number;
  deliveries: { open: number; delivered: number; dead: number };
  createdAt: string;
}
