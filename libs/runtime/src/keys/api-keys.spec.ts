import { describe, expect, it } from '@jest/globals';
import { allows, isInTime, KEY_CREATORS_MAX, type KeyRecord, readKeyRecord, readRestriction, SCOPES } from './api-keys.js';

const RECORD: KeyRecord = { id: 'key_1', name: 'one', scopes: ['sign'] };
const LIMIT = { restriction: { creators: ['cr_1'] }, handles: ['luna.bakes'] };

describe('scopes', () => {
  it('allow what they name, `webhooks:write` also reading webhooks, and `admin` everything', () => {
    const granted = SCOPES.map((scope) => [scope, SCOPES.filter((needed) => allows({ scopes: [scope] }, needed))]);
    expect(Object.fromEntries(granted)).toEqual({
      read: ['read'],
      'creators:write': ['creators:write'],
      'webhooks:read': ['webhooks:read'],
      'webhooks:write': ['webhooks:read', 'webhooks:write'],
      sign: ['sign'],
      admin: [...SCOPES],
    });
    expect(SCOPES.some((needed) => allows({ scopes: [] }, needed))).toBe(false);
  });
});

describe('the record of a key', () => {
  it.each([[RECORD], [{ ...RECORD, ...LIMIT }], [{ ...RECORD, ...LIMIT, handles: [] }], [{ ...RECORD, expiresAt: 1_800_000_000_000 }]])(
    'is read as it was written: %j',
    (record) => expect(readKeyRecord(JSON.stringify(record))).toEqual(record),
  );

  it.each([
    ['no JSON', '{'],
    ['no object', '["sign"]'],
    ['no scopes', { id: 'key_1', name: 'one' }],
    ['scopes that are a text', { ...RECORD, scopes: 'admin' }],
    ['an unknown member, which may limit it', { ...RECORD, ...LIMIT, groups: ['g'] }],
    ['an unknown restriction', { ...RECORD, ...LIMIT, restriction: { groups: ['g'] } }],
    ['one more restriction than is known', { ...RECORD, ...LIMIT, restriction: { creators: ['cr_1'], groups: ['g'] } }],
    ['a restriction to a text', { ...RECORD, ...LIMIT, restriction: { creators: 'cr_1' } }],
    ['a restriction to nobody', { ...RECORD, ...LIMIT, restriction: { creators: [] } }],
    ['an empty restriction', { ...RECORD, ...LIMIT, restriction: {} }],
    ['a restriction that is null', { ...RECORD, ...LIMIT, restriction: null }],
    ['a restriction without handles', { ...RECORD, restriction: LIMIT.restriction }],
    ['handles without a restriction', { ...RECORD, handles: ['luna.bakes'] }],
    ['an expiry that is no number', { ...RECORD, expiresAt: '2026-01-01' }],
    ['an expiry that is null', { ...RECORD, expiresAt: null }],
  ])('is refused with %s', (_, value) => {
    expect(readKeyRecord(typeof value === 'string' ? value : JSON.stringify(value))).toBeUndefined();
  });

  it('has a bounded restriction', () => {
    const creators = Array.from({ length: KEY_CREATORS_MAX }, (__, i) => `cr_${i}`);
    expect(readRestriction({ creators })).toEqual({ creators });
    expect(readRestriction({ creators: [...creators, 'cr_one_more'] })).toBe('malformed');
  });

  it('ends with its time, to the millisecond', () => {
    expect([999, 1_000].map((now) => isInTime({ expiresAt: 1_000 }, now))).toEqual([true, false]);
    expect(isInTime({})).toBe(true);
  });
});
