import { describe, expect, it } from '@jest/globals';
import { hostileTexts, slowest } from '@tributary/testing';
import { failureOf } from '../browser/visit.js';
import { agentOverride } from '../browser/user-agent.js';
import { saidInJson } from './im-fetch.js';

const TEXT_MAX = 1_048_576;

describe('readers of what pages and Chromium say', () => {
  it.each([
    ['a user agent', (text: string) => agentOverride(text, 'en-DE', 'Win32')],
    ['JSON in place of a bundle', (text: string) => saidInJson(Buffer.from(`{${text}`, 'latin1'))],
    ['an error of Chromium', (text: string) => failureOf(new Error(text))],
  ])('%s: the largest input takes a bounded time, whatever it repeats', (_what, read) => {
    const { text, cpuMs } = slowest(read, hostileTexts(TEXT_MAX));
    expect({ text, isQuick: cpuMs < 1_000 }).toEqual({ text, isQuick: true });
  });

  it('an error of Chromium still says what it is', () => {
    expect(failureOf(new Error('page.goto: Timeout 30000ms exceeded.\nCall log: x'))).toMatchObject({ reason: 'timeout' });
    expect(failureOf(new Error('page.goto: net::ERR_NAME_NOT_RESOLVED at https://x.example'))).toMatchObject({ reason: 'connect' });
  });
});
