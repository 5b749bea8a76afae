import { isDeepStrictEqual } from 'node:util';
import { dayOfEvent, snowflakeTime, UNDATED } from '@tributary/events';
import { decodeCursor, encodeCursor, type Position } from '@tributary/log';
import { createValidationPipe, Problem, SecretBox } from '@tributary/runtime';
import { readSharedSecret } from '../../../apps/api/src/delivery/request/signature.js';
import { EventPageQuery } from '../../../apps/api/src/events/event-query.js';
import { boundsOf, judgeCursor } from '../../../apps/api/src/events/positions.js';
import { readRetryAfter } from '../../../libs/runtime/src/retry-after.js';
import { readTarget } from '../../../apps/api/src/outbound/target.js';
import { decodePageCursor, encodePageCursor } from '../../../apps/api/src/http/paging.js';
import { NewEndpointBody } from '../../../apps/api/src/webhooks/endpoints/endpoint-body.js';
import { idempotencyKey } from '../../../apps/api/src/webhooks/idempotency-key.js';
import { parseBody } from '../../../libs/runtime/src/http/http-adapter.js';
import { readKeyRecord, readRestriction } from '../../../libs/runtime/src/keys/api-keys.js';
import type { Draw } from '../engine/draw.js';
import { anyWhole, type Parser, parser, snowflake, word } from './parser.js';

const HEAD = {
  generation: 3,
  seq: 1_000_000,
  oldestSeq: 10,
  history: [
    { generation: 1, startedAtSeq: 0 },
    { generation: 3, startedAtSeq: 500_000 },
  ],
};
const pipe = createValidationPipe();
const box = new SecretBox(Buffer.alloc(32, 7).toString('base64'), 'TEST');

const cursorOf = (draw: Draw, position: Partial<Position> = {}) =>
  encodeCursor({ generation: draw.below(2 ** 32), seq: anyWhole(draw), ...(draw.chance(0.3) ? { descending: true } : {}), ...position });
const goodCursor = (draw: Draw) => encodeCursor({ generation: 3, seq: draw.between(10, 1_000_000) });

/** Whether a value in a query or body is taken, through the pipe that every route has. */
async function validated<T extends object>(type: new () => T, kind: 'query' | 'body', value: unknown): Promise<T> {
  return (await pipe.transform(value, { type: kind, metatype: type })) as T;
}

/** The query parameter `name` of a list of events. */
const eventQuery = (name: 'cursor' | 'since' | 'type' | 'limit' | 'creator', example: (draw: Draw) => string): Parser =>
  parser({
    name: `${name} of GET /v1/events`,
    example,
    read: async (text) => new Map<string, unknown>(Object.entries(await validated(EventPageQuery, 'query', { [name]: text }))).get(name),
  });

/** A page cursor with this many parts. */
const pageCursor = (length: number): Parser =>
  parser({
    name: `page cursor of ${length}`,
    example: (draw) => encodePageCursor(Array.from({ length }, () => draw.pick(['cr_', 'key_', '']) + word(draw, draw.below(30)))),
    read: (text) => decodePageCursor(text, length),
    judge: (parts, text, original) => {
      if (parts.length !== length || parts.some((part) => part.includes('\0'))) return 'it is no sort key';
      if (!isDeepStrictEqual(decodePageCursor(encodePageCursor(parts), length), parts)) return 'it does not come back';
      return text === original && encodePageCursor(parts) !== text ? 'it is written in another way' : undefined;
    },
  });

/** What reads positions, pages, ids and secrets in the API. */
export const API_PARSERS: readonly Parser[] = [
  parser({
    name: 'event cursor',
    example: cursorOf,
    read: decodeCursor,
    judge: (position, text) => (encodeCursor(position) === text ? undefined : 'one position has two texts'),
  }),
  parser({
    name: 'Last-Event-ID',
    example: goodCursor,
    read: (text) => judgeCursor(text, HEAD, 'Last-Event-ID'),
    judge: (verdict) => (verdict.kind === 'lost' || verdict.position.seq <= HEAD.seq ? undefined : 'a position beyond the head'),
  }),
  ...(['asc', 'desc'] as const).map((order) =>
    parser({
      name: `cursor of a list in the order ${order}`,
      example: goodCursor,
      read: (text) => boundsOf(text, order, HEAD),
      judge: ({ after, before }) => (Number.isSafeInteger(after ?? before) ? undefined : 'it bounds nothing'),
    }),
  ),
  pageCursor(1),
  pageCursor(2),
  parser({
    name: 'event id',
    example: (draw) =>
      draw.pick([
        `${snowflake(draw)}-${snowflake(draw)}`,
        `${snowflake(draw)}-h${word(draw, 16)}`,
        `cr_${word(draw, 18)}-1785000000000000-${draw.below(100)}`,
      ]),
    read: dayOfEvent,
    judge: (day) => (/^\d{4}-\d\d-\d\d$/.test(day) && (day === UNDATED || !Number.isNaN(Date.parse(day))) ? undefined : 'it is no day'),
  }),
  parser({
    name: 'snowflake',
    example: snowflake,
    read: snowflakeTime,
    judge: (time) => (Number.isSafeInteger(time) ? undefined : 'it is no time'),
  }),
  parser({
    name: 'webhook secret',
    example: (draw) => `whsec_${Buffer.from(word(draw, draw.between(24, 64))).toString('base64')}`,
    read: readSharedSecret,
    judge: (base64, text) => (`whsec_${base64}` === text ? undefined : 'one secret has two texts'),
  }),
  parser({
    name: 'Idempotency-Key',
    example: (draw) => word(draw, draw.between(1, 255)),
    read: idempotencyKey,
    judge: (key) => (/^[\x21-\x7e]{1,255}$/.test(key) ? undefined : 'it is no visible text'),
  }),
  parser({
    name: 'webhook URL',
    example: (draw) => `https://example.com:8443/${word(draw, 8)}?a=${word(draw, 3)}`,
    read: (text) => {
      const target = readTarget(text);
      return typeof target === 'string' ? undefined : target;
    },
    judge: ({ origin, port, path }) =>
      URL.canParse(origin + path) && port > 0 && port < 65_536 && !/[\r\n\0 ]/.test(path) ? undefined : 'it cannot be requested',
  }),
  parser({
    name: 'secret and url of a new endpoint',
    example: () => `whsec_${Buffer.alloc(32, 1).toString('base64')}`,
    read: (text) => validated(NewEndpointBody, 'body', { url: text.startsWith('whsec_') ? 'https://example.com/' : text, secret: text }),
  }),
  parser({
    name: 'Retry-After',
    example: (draw) => draw.pick([String(draw.below(1_000_000)), 'Sun, 06 Nov 2033 08:49:37 GMT']),
    read: (text) => readRetryAfter(text),
    judge: (ms) => (ms >= 0 && Number.isFinite(ms) ? undefined : 'it is no time to wait'),
  }),
  eventQuery('cursor', goodCursor),
  eventQuery('since', (draw) =>
    draw.pick(['2026-11-22T10:00:00Z', '2026-11-22', '2024-02-29T23:59:59.999+05:30', '0001-01-01', '9999-12-31T23:59:59-12:00']),
  ),
  eventQuery('type', (draw) => draw.pick(['tiktok.live.chat', 'tiktok.live.*', '*', 'monitor.gap,tiktok.live.gift'])),
  eventQuery('limit', (draw) => String(draw.between(1, 1_000))),
  eventQuery('creator', (draw) => word(draw, draw.between(2, 24))),
  parser({
    name: 'JSON body',
    example: (draw) => JSON.stringify({ uniqueId: word(draw, 8), options: { types: ['*'], raw: true }, list: [1, null, 'x'] }),
    read: parseBody,
    judge: (value, text, original) =>
      text !== original || isDeepStrictEqual(value, JSON.parse(original)) ? undefined : 'it is read as another value',
  }),
  parser({
    name: 'key record',
    example: (draw) =>
      JSON.stringify({
        id: `key_${word(draw, 18)}`,
        name: word(draw, 5),
        scopes: ['read'],
        restriction: { creators: ['cr_1'] },
        handles: ['a.b'],
      }),
    read: readKeyRecord,
    judge: (record, text, original) =>
      text === original || record.restriction || !text.includes('"restriction"') ? undefined : 'its restriction is gone',
  }),
  parser({
    name: 'restriction of a key',
    example: (draw) => JSON.stringify({ creators: [`cr_${word(draw, 18)}`] }),
    read: (text) => {
      const value = jsonOf(text);
      const restriction = readRestriction(value);
      return restriction === 'malformed' ? undefined : restriction;
    },
    judge: ({ creators }) => (creators.length > 0 ? undefined : 'it names nobody'),
  }),
  parser({
    name: 'sealed secret',
    example: (draw) => box.seal(word(draw, draw.below(50)), 'owner').toString('latin1'),
    read: (text) => box.open(Buffer.from(text, 'latin1'), 'owner'),
    judge: (_, text, original) =>
      Buffer.from(text, 'latin1').equals(Buffer.from(original, 'latin1')) ? undefined : 'a changed secret opens',
  }),
];

/** JSON, or a typed error: what is fuzzed is what comes after it. */
export function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Problem('malformed-body', 'not JSON');
  }
}
