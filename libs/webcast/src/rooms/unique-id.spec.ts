import { describe, expect, it } from '@jest/globals';
import { isUniqueId, parseUniqueId, readUniqueId } from './unique-id.js';

describe('a creator name in any form people paste', () => {
  it.each([
    ['name.of_1', 'name.of_1'],
    ['@name', 'name'],
    ['@Name_X', 'name_x'],
    ['  @name \n', 'name'],
    ['name/', 'name'],
    ['@name/', 'name'],
    ['@name/live', 'name'],
    ['name/live', 'name'],
    ['%40name', 'name'],
    ['"@name"', 'name'],
    ['<https://www.tiktok.com/@name>', 'name'],
    ['\u200b@na\u200dme\ufeff', 'name'],
    ['\u202a@name\u202c', 'name'],
    ['＠ｎａｍｅ', 'name'],
    ['https://www.tiktok.com/@name', 'name'],
    ['https://www.tiktok.com/@name/', 'name'],
    ['https://www.tiktok.com/@Name/live?enter_from_merge=a&is_copy_url=1', 'name'],
    ['https://www.tiktok.com/@name/video/7301234567890123456', 'name'],
    ['https://www.tiktok.com/%40name/live', 'name'],
    ['http://tiktok.com/@name#top', 'name'],
    ['HTTPS://WWW.TIKTOK.COM/@NAME', 'name'],
    ['//www.tiktok.com/@name', 'name'],
    ['tiktok.com/@name', 'name'],
    ['www.tiktok.com/@name/live', 'name'],
    ['m.tiktok.com/@name', 'name'],
    ['https://m.tiktok.com/@name?lang=en', 'name'],
    ['@tiktok.com', 'tiktok.com'],
    ['user1234567890123', 'user1234567890123'],
  ])('reads %j as %s', (text, handle) => {
    expect(parseUniqueId(text)).toBe(handle);
  });

  it.each([
    ['', 'empty'],
    [' \u200b ', 'empty'],
    ['@', '2 to 24'],
    ['a', '2 to 24'],
    ['abcdefghijklmnopqrstuvwxy', '2 to 24'],
    ['two words', 'only letters'],
    ['naïve', 'only letters'],
    ['name!', 'only letters'],
    ['name.', 'end with a period'],
    ['https://vm.tiktok.com/ZMabcdef/', 'short link'],
    ['vt.tiktok.com/ZSabc', 'short link'],
    ['https://www.tiktok.com/t/ZTabc/', 'short link'],
    ['https://www.tiktok.com/foryou', 'names no creator'],
    ['tiktok.com', 'names no creator'],
    ['https://tiktok.com.evil.example/@name', 'not an address of tiktok.com'],
    ['https://nottiktok.com/@name', 'not an address of tiktok.com'],
    ['https://www.tiktok.com@evil.example/@name', 'not an address of tiktok.com'],
    ['ftp://www.tiktok.com/@name', 'https://'],
    ['youtube.com/@name', 'neither a handle'],
    ['name/../other', 'neither a handle'],
    ['https://', 'not a readable address'],
    ['https://www.tiktok.com/@%zz', 'only letters'],
  ])('refuses %j and says why', (text, reason) => {
    expect(readUniqueId(text)).toEqual({ ok: false, reason: expect.stringContaining(reason) });
    expect(parseUniqueId(text)).toBeUndefined();
  });

  it('knows a handle that was read already, also one that looks like an address', () => {
    for (const handle of ['name.of_1', 'tiktok.com', 'a.tiktok.com', parseUniqueId('@M.TikTok.com')!])
      expect([handle, isUniqueId(handle)]).toEqual([handle, true]);
    for (const text of ['@name', 'Name', ' name', 'name.', 'n', 'name/live', '']) expect([text, isUniqueId(text)]).toEqual([text, false]);
  });

  it('refuses an endless text without looking into it', () => {
    expect(readUniqueId('x'.repeat(3_000))).toEqual({ ok: false, reason: 'longer than 2048 characters' });
  });
});
