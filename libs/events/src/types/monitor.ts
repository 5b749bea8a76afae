import { Type } from '@sinclair/typebox';
import { count, id, instant, text, word } from './fields.js';

/** Why events may be missing between two moments. */
export const GAP_REASONS = ['disconnect', 'silence', 'takeover', 'blocked', 'buffer-full', 'paused', 'shutdown'] as const;
export type GapReason = (typeof GAP_REASONS)[number];

/** Why a room is no longer watched, although its end was not seen. */
export const UNWATCHED_REASONS = ['paused', 'removed', 'no-worker', 'not-received', 'end-missed'] as const;
export type UnwatchedReason = (typeof UNWATCHED_REASONS)[number];

/** What a `monitor.webhook` event reports about an endpoint. */
export const WEBHOOK_REASONS = ['gone', 'failing', 'owner', 'expired'] as const;

const roomId = id('room of the stream');
const userId = Type.Optional(id("the creator's TikTok user id"));

/** Events about a creator's connection, made by the system itself. */
export const monitor = {
  'monitor.live': {
    about: 'The creator went live.',
    data: Type.Object({ roomId, userId, title: Type.Optional(text('title of the stream')) }),
  },
  'monitor.offline': {
    about: 'The creator is no longer live, and that was confirmed.',
    data: Type.Object({
      roomId,
      confirmedBy: text('what confirmed it, such as `streamEnd` or `poll`'),
      lastSeenAt: Type.Optional(instant('when it was last known to be on air; the session ends there')),
    }),
  },
  'monitor.unwatched': {
    about:
      'The room is no longer watched, and its end was not seen: nobody knows how long the stream goes on. Its session ends at `lastSeenAt`. ' +
      'Where the room is received again (`monitor.connected`), its session goes on.',
    data: Type.Object({
      roomId,
      reason: word(
        '`paused`, `removed`: the creator was. `no-worker`: no worker holds the creator. `not-received`: its worker has received nothing for long. ' +
          '`end-missed`: the creator is offline by now, or in another room',
        ...UNWATCHED_REASONS,
      ),
      lastSeenAt: instant('when the room was last known to be on air'),
    }),
  },
  'monitor.connected': {
    about: 'A worker has a connection to the room; events flow from here on.',
    data: Type.Object({
      roomId,
      userId,
      worker: text('the worker'),
      connection: count('number of this connection, counted by its holder from 1'),
      provider: Type.Optional(text('sign provider that made the connection possible')),
    }),
  },
  'monitor.disconnected': {
    about: 'A connection ended.',
    data: Type.Object({
      roomId,
      reason: text('why'),
      code: Type.Optional(Type.Integer({ description: 'WebSocket close code or HTTP status' })),
      durationMs: count('how long it was open'),
      events: count('events received on it'),
    }),
  },
  'monitor.gap': {
    about: 'Events between `from` and `to` may be missing.',
    data: Type.Object({
      roomId: Type.Optional(roomId),
      from: instant('last moment from which everything is here'),
      to: instant('moment from which everything is here again'),
      reason: word('why', ...GAP_REASONS),
      missedEstimate: Type.Optional(count('estimate of missed events, from the rate before')),
      lastSeenAt: Type.Optional(
        instant('the stream has ended within the gap, and was last known to be on air then: its session counts the gap up to here'),
      ),
    }),
  },
  'monitor.error': {
    about: 'The creator cannot be monitored at the moment.',
    data: Type.Object({
      reason: text('kind of the error'),
      message: text('what happened, in one sentence'),
      retryAt: Type.Optional(instant('when it is tried again')),
    }),
  },
  'monitor.webhook': {
    about: 'Something happened to a webhook endpoint that its owner should know. `subject` is the endpoint; it is about no creator.',
    data: Type.Object({
      endpoint: id('the endpoint'),
      reason: word(
        '`gone`: disabled, it answered 410. `failing`: disabled, every attempt failed for long. `owner`: disabled, its key was revoked or has expired. `expired`: events were lost to retention',
        ...WEBHOOK_REASONS,
      ),
      message: text('what happened, in one sentence'),
      positions: Type.Optional(count('positions of the log that were skipped')),
    }),
  },
};
