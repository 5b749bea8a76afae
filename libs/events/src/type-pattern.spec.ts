import { describe, expect, it } from '@jest/globals';
import { matchesType } from './type-pattern.js';

describe('matchesType', () => {
  it.each([
    ['tiktok.live.chat', 'tiktok.live.chat', true],
    ['tiktok.live.chat', 'tiktok.live.chats', false],
    ['tiktok.live.*', 'tiktok.live.chat', true],
    ['tiktok.live.*', 'monitor.gap', false],
    ['tiktok.live.linkMic*', 'tiktok.live.linkMicBattle', true],
    ['*', 'monitor.gap', true],
    ['tiktok.live.chat,monitor.*', 'monitor.gap', true],
    ['tiktok.live.chat, monitor.*', 'monitor.gap', true],
    ['', 'monitor.gap', false],
    ['tiktok.live.', 'tiktok.live.chat', false],
    [['tiktok.live.gift', 'monitor.*'], 'monitor.live', true],
    [['tiktok.live.gift'], 'monitor.live', false],
    [[], 'monitor.live', false],
  ] as const)('%j and %s: %s', (pattern, type, expected) => {
    expect(matchesType(pattern, type)).toBe(expected);
  });

  it('a star in the middle is no wildcard', () => {
    expect(matchesType('tiktok.*.chat', 'tiktok.live.chat')).toBe(false);
  });
});
