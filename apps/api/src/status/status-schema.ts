import { CREATOR_STATES } from '@tributary/creators';

const integer = { type: 'integer' };
const text = { type: 'string' };
const counts = { type: 'object', additionalProperties: integer };
const all = (properties: Record<string, object>) => ({ type: 'object', required: Object.keys(properties), properties });

/** One part of the answer: its facts when `ok`, else `reason`. */
const part = (description: string, facts: Record<string, object>) => ({
  description,
  oneOf: [
    all({ ok: { type: 'boolean', const: true }, ...facts }),
    all({ ok: { type: 'boolean', const: false }, reason: { ...text, description: 'why it does not answer' } }),
  ],
});

const worker = all({
  worker: { ...text, description: 'its name' },
  capacity: { ...integer, description: 'creators it holds at most' },
  creators: { ...integer, description: 'creators it holds' },
  counters: all({
    received: { ...integer, description: 'messages that came out of sockets' },
    decoded: { ...integer, description: 'events made of them' },
    appended: { ...integer, description: 'events in the inbox' },
    confirmed: { ...integer, description: 'events that the store has committed' },
  }),
  startedAt: { type: 'string', format: 'date-time' },
  beatAgeMs: { ...integer, description: 'how long ago it gave a sign of life' },
});

/** JSON Schema of the answer of `GET /v1/status`. */
export const STATUS_SCHEMA = {
  type: 'object',
  // The other parts are not told to a key that is limited to creators.
  required: ['time', 'log', 'creators', 'live'],
  properties: {
    time: { type: 'string', format: 'date-time', description: 'when it was asked; one answer serves everybody for a second' },
    log: part('the numbered log', {
      generation: integer,
      position: { ...text, description: 'its head' },
      oldest: { ...text, description: 'position to read everything from that is kept' },
    }),
    store: part('what makes events permanent', {
      lag: { ...all({ entries: integer, oldestMs: integer }), description: 'received and not yet stored' },
      sessionsBehind: { ...integer, description: 'stored and not yet counted into sessions' },
      deadLetters: { ...integer, description: 'entries that could not be stored' },
    }),
    workers: part('processes that hold connections', { list: { type: 'array', items: worker } }),
    creators: part('monitored creators', {
      total: integer,
      paused: integer,
      byState: all(Object.fromEntries(CREATOR_STATES.map((state) => [state, integer]))),
    }),
    leases: part('which worker holds which creator', { held: integer, byWorker: counts }),
    redis: part('Redis', {
      latencyMs: { type: 'number' },
      version: text,
      usedBytes: integer,
      maxBytes: { ...integer, description: '0: no bound is set' },
      policy: { ...text, description: '`maxmemory-policy`' },
    }),
    postgres: part('PostgreSQL', {
      latencyMs: { type: 'number' },
      version: text,
      connections: all({ open: integer, idle: integer, waiting: integer }),
    }),
    signer: part('the signer', { latencyMs: { type: 'number' }, providers: { description: 'what the signer says of its providers' } }),
    live: { ...all({ streams: integer }), description: 'live readers of this process, or of the key' },
  },
};
