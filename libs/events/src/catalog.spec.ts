import { describe, expect, it } from '@jest/globals';
import {
  assertCatalogComplete,
  catalogEntries,
  dataProblems,
  dataSchema,
  EVENT_TYPES,
  isEventType,
  type JsonSchema,
  type TypedEvent,
  unknownPatterns,
} from './catalog.js';
import { describeCatalog, jsonSchemas } from './catalog-docs.js';

/** Paths of fields that say nothing about themselves. */
function undescribed(schema: JsonSchema, path: string): string[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, field]) => {
    const at = `${path}/${name}`;
    const inner = field.items ?? field;
    return [...(field.description ? [] : [at]), ...undescribed(inner, at)];
  });
}

describe('the event catalog', () => {
  it('names every type as tiktok.live.<name> or monitor.<name>, in camel case', () => {
    expect(EVENT_TYPES.filter((type) => !/^(tiktok\.live|monitor)\.[a-z][A-Za-z]*$/.test(type))).toEqual([]);
    expect(new Set(EVENT_TYPES).size).toBe(EVENT_TYPES.length);
  });

  it('has the types that consumers were promised', () => {
    const live =
      'chat gift like member follow share social roomUser question envelope emote subscribe superFan superFanJoin superFanBox linkMicBattle linkMicArmies caption roomPin goalUpdate poll imDelete control streamEnd barrage liveIntro unknown';
    const monitor = 'live offline connected disconnected gap error';
    const promised = [...live.split(' ').map((name) => `tiktok.live.${name}`), ...monitor.split(' ').map((name) => `monitor.${name}`)];
    expect(promised.filter((type) => !isEventType(type))).toEqual([]);
    expect(isEventType('toString')).toBe(false);
  });

  it('describes every type and every field', () => {
    expect(
      catalogEntries()
        .filter(({ about }) => !about.endsWith('.'))
        .map(({ type }) => type),
    ).toEqual([]);
    expect(catalogEntries().flatMap(({ type, schema }) => undescribed(schema, type))).toEqual([]);
  });

  it('tells a super fan who enters from a viewer who becomes one', () => {
    const about = new Map(catalogEntries().map((entry) => [entry.type, entry.about]));
    expect(about.get('tiktok.live.superFanJoin')).toMatch(/^A super fan of the creator entered/);
    expect(about.get('tiktok.live.superFan')).toMatch(/^A viewer became a super fan/);
  });

  it('gives JSON Schema that is plain JSON, one for each type', () => {
    const schemas = jsonSchemas();
    expect(Object.keys(schemas)).toEqual(EVENT_TYPES);
    expect(JSON.parse(JSON.stringify(schemas))).toEqual(schemas);
    expect(schemas['tiktok.live.gift']).toMatchObject({
      title: 'tiktok.live.gift',
      type: 'object',
      required: expect.arrayContaining(['giftId', 'name', 'streakId', 'count', 'streakCount', 'final']),
    });
    expect(schemas['monitor.gap']).toMatchObject({
      properties: { reason: { enum: ['disconnect', 'silence', 'takeover', 'blocked', 'buffer-full', 'paused', 'shutdown'] } },
    });
  });

  it('names each field of data that is not as promised', () => {
    expect(dataProblems('tiktok.live.like', { count: 1, total: 2, roomLikes: 2 })).toEqual([]);
    expect(dataProblems('tiktok.live.like', { count: -1, total: 2 }).map((problem) => problem.split(':')[0])).toEqual([
      '/roomLikes',
      '/count',
    ]);
    const gap = { from: '2026-11-22T10:00:00.000Z', to: '2026-11-22T10:00:05.000Z', reason: 'takeover' };
    expect(dataProblems('monitor.gap', gap)).toEqual([]);
    expect(dataProblems('monitor.gap', { ...gap, reason: 'boredom', to: 'later' })).toHaveLength(2);
  });

  it('lets a producer start only when it knows all its types, and says which are missing', () => {
    expect(() => assertCatalogComplete(['tiktok.live.chat', 'monitor.gap'])).not.toThrow();
    expect(() => assertCatalogComplete(['tiktok.live.chat', 'tiktok.live.dance', 'monitor.mood'])).toThrow(
      'the event catalog has no entry for tiktok.live.dance, monitor.mood',
    );
  });

  it('narrows data by type', () => {
    const comment = (event: TypedEvent) => (event.type === 'tiktok.live.chat' ? event.data.comment : undefined);
    const rest = { id: '1-2', creatorId: 'cr_1', handle: 'host', roomId: '1', time: 0, receivedAt: 0 };
    expect(comment({ ...rest, type: 'tiktok.live.chat', data: { comment: 'hi' } })).toBe('hi');
    expect(comment({ ...rest, type: 'monitor.live', data: { roomId: '1' } })).toBeUndefined();
  });

  it('finds patterns that would match nothing for ever', () => {
    expect(unknownPatterns(['tiktok.live.*', 'monitor.gap', '*', 'tiktok.chat', 'monitor.gaps'])).toEqual(['tiktok.chat', 'monitor.gaps']);
  });

  it('keeps the fields of the protobuf open in generic types, and closed words closed', () => {
    expect(dataProblems('tiktok.live.toast', { anything: { at: ['all'] } })).toEqual([]);
    expect(dataSchema('tiktok.live.toast').additionalProperties).toBe(true);
    expect(dataProblems('tiktok.live.streamEnd', { reason: 'bored', actionCode: 3 })).toHaveLength(1);
  });
});

describe('describeCatalog', () => {
  it('lists every type, and the fields of each typed one', () => {
    const lines = describeCatalog().split('\n');
    for (const { type, shape } of catalogEntries()) {
      expect(lines.some((line) => line.startsWith(`| \`${type}\` | ${shape} |`))).toBe(true);
      expect(lines.includes(`### ${type}`)).toBe(shape === 'typed');
    }
    expect(lines).toContain('| `streakCount` | integer | gifts of the whole streak so far |');
    expect(lines).toContain('| `topGifters[].user` (optional) | user | the viewer it is about; absent when TikTok sent none |');
  });
});
