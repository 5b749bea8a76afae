import { EVENT_TYPES, type JsonSchema, jsonSchemas } from '@tributary/events';

const text = { type: 'string' };
const instant = { type: 'string', format: 'date-time' };
const ref = (name: string) => ({ $ref: `#/components/schemas/${name}` });

/** What events of every type share. */
const ENVELOPE = {
  type: 'object',
  description: 'what every event has, whatever its type (CloudEvents 1.0 JSON)',
  required: ['specversion', 'id', 'source', 'subject', 'time', 'datacontenttype', 'creator', 'roomid', 'receivedat', 'position'],
  properties: {
    specversion: { const: '1.0' },
    id: { ...text, description: 'the same over reconnects, workers, replays and retries' },
    source: { ...text, description: 'where it happened, as a path: its creator and its room' },
    subject: { ...text, description: "the creator's stable internal id" },
    time: { ...instant, description: "TikTok's time of the message" },
    datacontenttype: { const: 'application/json' },
    creator: { ...text, description: 'handle at that time' },
    roomid: { ...text, description: 'room of the stream; empty where it is about none' },
    receivedat: { ...instant, description: 'when a worker received it' },
    position: { ...text, description: 'opaque cursor: ask for what comes after it' },
    raw: { ...text, contentEncoding: 'base64', description: 'protobuf, where it was asked for and stored' },
  },
};

/**
 * Schemas of the catalog: `EventEnvelope`, one schema for each type under the name of the type, and `Event`, their union, in which
 * `type` decides the shape of `data`.
 */
export function eventSchemas(): Record<string, object> {
  const types = Object.entries(jsonSchemas()).map(([type, data]): [string, object] => [
    type,
    {
      title: type,
      ...(data.description ? { description: data.description } : {}),
      allOf: [
        ref('EventEnvelope'),
        { type: 'object', required: ['type', 'data'], properties: { type: { type: 'string', const: type }, data: dataOf(data) } },
      ],
    },
  ]);
  return {
    EventEnvelope: ENVELOPE,
    Event: {
      description: 'an event: `type` decides the shape of `data`. More types and more fields may come; ignore those you do not know.',
      oneOf: EVENT_TYPES.map(ref),
      discriminator: { propertyName: 'type', mapping: Object.fromEntries(EVENT_TYPES.map((type) => [type, ref(type).$ref])) },
    },
    ...Object.fromEntries(types),
  };
}

/** Without the permission of further fields where ours are known: generators would then take every misspelt name. */
function dataOf({ additionalProperties, title: _title, description: _about, ...schema }: JsonSchema): JsonSchema {
  const known = Object.keys(schema.properties ?? {}).some((name) => name !== 'truncated');
  return known ? schema : { ...schema, additionalProperties: additionalProperties ?? true };
}
