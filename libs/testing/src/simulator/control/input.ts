import { FAULT_KINDS, type FaultSpec, isInstant, isRequestKind } from './faults.js';
import type { RecordedPayload } from '../replay/recorded.js';
import { messageIdOf } from '../replay/recorded.js';
import type { RoomOptions } from '../room/room.js';

/** Control input that cannot be used; the message names the field. Answered as 400. */
export class InputError extends Error {
  override name = 'InputError';
}

const RATE_MAX = 5_000;
const DURATION_MS_MAX = 86_400_000;
const BATCH_MAX = 5_000;
const PAYLOADS_MAX = 1_000_000;

type Check<T> = (value: unknown, field: string) => T;

const text =
  (pattern: RegExp, expected: string): Check<string> =>
  (value, field) => {
    if (typeof value !== 'string' || !pattern.test(value)) throw new InputError(`${field}: expected ${expected}`);
    return value;
  };
const number =
  (min: number, max: number, whole = false): Check<number> =>
  (value, field) => {
    if (typeof value !== 'number' || !(value >= min && value <= max) || (whole && !Number.isInteger(value)))
      throw new InputError(`${field}: expected ${whole ? 'a whole number' : 'a number'} from ${min} to ${max}`);
    return value;
  };
const flag: Check<boolean> = (value, field) => {
  if (typeof value !== 'boolean') throw new InputError(`${field}: expected true or false`);
  return value;
};

const handle = text(/^[A-Za-z0-9._-]{1,64}$/, 'a handle of 1 to 64 letters, digits, dots, underscores or dashes, without @');
const title = text(/^[^\0]{0,200}$/s, 'a text of at most 200 characters');

const ROOM = {
  uniqueId: handle,
  nickname: title,
  title,
  rate: number(0, RATE_MAX),
  live: flag,
  gated: flag,
  loginNeeded: flag,
};

/** `POST /sim/rooms` */
export function roomInput(body: unknown): RoomOptions {
  const room = fields(body, ROOM);
  if (room.uniqueId === undefined) throw new InputError('uniqueId: is required');
  return { ...room, uniqueId: room.uniqueId };
}

/** `PATCH /sim/rooms/:uniqueId`; `end: false` ends a broadcast without the control message. */
export function roomPatch(body: unknown) {
  const { uniqueId: _uniqueId, ...changeable } = ROOM;
  return fields(body, { ...changeable, end: flag });
}

/** `POST /sim/rooms/batch` */
export function batchInput(body: unknown): { count: number; prefix: string; rate?: number; live?: boolean } {
  const batch = fields(body, { count: number(1, BATCH_MAX, true), prefix: handle, rate: ROOM.rate, live: flag });
  if (batch.count === undefined) throw new InputError('count: is required');
  return { ...batch, count: batch.count, prefix: batch.prefix ?? 'sim' };
}

/** `PATCH /sim/rooms` */
export function ratesInput(body: unknown): { rate: number; prefix: string } {
  const change = fields(body, { rate: ROOM.rate, prefix: handle });
  if (change.rate === undefined) throw new InputError('rate: is required');
  return { rate: change.rate, prefix: change.prefix ?? '' };
}

/** `POST /sim/sign` */
export function signInput(body: unknown): { url: string; userAgent: string } {
  const sign = fields(body, {
    url: text(/^https?:\/\/[^\s]{1,16000}$/, 'an http or https URL'),
    userAgent: text(/^[^\r\n]{1,1000}$/, 'the user agent that will send the request'),
  });
  if (sign.url === undefined) throw new InputError('url: is required');
  if (sign.userAgent === undefined) throw new InputError('userAgent: is required');
  if (!URL.canParse(sign.url)) throw new InputError('url: expected an http or https URL');
  return { url: sign.url, userAgent: sign.userAgent };
}

/** `POST /sim/faults` */
export function faultInput(body: unknown): FaultSpec {
  const spec = fields(body, {
    kind: text(new RegExp(`^(${FAULT_KINDS.join('|')})$`), `one of ${FAULT_KINDS.join(', ')}`) as Check<FaultSpec['kind']>,
    uniqueId: handle,
    path: text(/^\/[^\s]{0,200}$/, 'the beginning of a path, with its first slash'),
    durationMs: number(1, DURATION_MS_MAX),
    ratePerMinute: number(0.001, 6_000),
    count: number(1, 1_000_000, true),
    bytes: number(1, 268_435_456, true),
    compressed: flag,
    bytesPerSecond: number(1, 1e9),
  });
  const { kind } = spec;
  if (kind === undefined) throw new InputError('kind: is required');
  const request = isRequestKind(kind);
  if (spec.path !== undefined && !request) throw new InputError(`path: ${kind} is about connections, not about a route`);
  if (spec.count !== undefined && !request && !isInstant(kind)) throw new InputError(`count: ${kind} lasts; give durationMs`);
  if (spec.ratePerMinute !== undefined && spec.durationMs === undefined && !isInstant(kind))
    throw new InputError(`durationMs: is required with ratePerMinute, the length of each ${kind}`);
  if (isInstant(kind) && spec.durationMs !== undefined && spec.ratePerMinute === undefined)
    throw new InputError(`durationMs: ${kind} happens at a moment; give ratePerMinute too`);
  return { ...spec, kind };
}

/** `POST /sim/rooms/:uniqueId/burst` */
export function burstInput(body: unknown): { messages: number; perFrame: number } {
  const burst = fields(body, { messages: number(1, 100_000, true), perFrame: number(1, 1_000, true) });
  if (burst.messages === undefined) throw new InputError('messages: is required');
  return { messages: burst.messages, perFrame: burst.perFrame ?? 10 };
}

/** `POST /sim/replay` */
export function replayInput(body: unknown) {
  const replay = fields(body, {
    uniqueId: handle,
    payloads: (value, field): RecordedPayload[] => {
      if (!Array.isArray(value) || value.length === 0 || value.length > PAYLOADS_MAX)
        throw new InputError(`${field}: expected a list of 1 to ${PAYLOADS_MAX} payloads`);
      return value.map((entry, index) => payloadInput(entry, `${field}[${index}]`));
    },
    rate: number(0.01, 1_000_000),
    perFrame: number(1, 1_000, true),
    wait: flag,
  });
  if (replay.uniqueId === undefined) throw new InputError('uniqueId: is required');
  if (replay.payloads === undefined) throw new InputError('payloads: is required');
  return { ...replay, uniqueId: replay.uniqueId, payloads: replay.payloads };
}

function payloadInput(value: unknown, field: string): RecordedPayload {
  const base64 = text(/^[A-Za-z0-9+/]*={0,2}$/, 'base64');
  const entry = fields(
    value,
    { method: text(/^\w{1,100}$/, 'a wire name'), payloadBase64: base64, msgId: text(/^\d{1,20}$/, 'digits') },
    `${field}.`,
  );
  if (entry.method === undefined) throw new InputError(`${field}.method: is required`);
  if (entry.payloadBase64 === undefined) throw new InputError(`${field}.payloadBase64: is required`);
  const payload = Buffer.from(entry.payloadBase64, 'base64');
  return { method: entry.method, payload, msgId: entry.msgId ?? messageIdOf(payload) };
}

/** Checks each field of an object; what is not known is refused by its name. */
function fields<T extends Record<string, Check<unknown>>>(body: unknown, checks: T, prefix = ''): { [K in keyof T]?: ReturnType<T[K]> } {
  if (body === null || typeof body !== 'object' || Array.isArray(body)) throw new InputError(`${prefix || 'body'}: expected a JSON object`);
  const result: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(body)) {
    const check = Object.hasOwn(checks, name) ? checks[name] : undefined;
    if (!check) throw new InputError(`${prefix}${name}: unknown; known are ${Object.keys(checks).join(', ')}`);
    if (value !== null && value !== undefined) result[name] = check(value, `${prefix}${name}`);
  }
  return result as { [K in keyof T]?: ReturnType<T[K]> };
}
