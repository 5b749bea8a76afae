import { describe, expect, it } from '@jest/globals';
import { HOSTILE_TOKENS, hostileTexts, slowest } from '@tributary/testing';
import { browserParams } from './connection/browser-params.js';
import { readFetchResult, readFrame } from './frame/frame.js';
import { readCheckAlive, readLivePage, readRoomApi, readRoomInfo } from './rooms/room-answers.js';
import { readUniqueId } from './rooms/unique-id.js';

/** The resolver's bound of one answer. */
const ANSWER_MAX = 4_194_304;
const HEADER_MAX = 65_536;
const LIMITS = { inflatedBytesMax: ANSWER_MAX, messagesPerFrameMax: 10_000 };
const STATE = '<script id="SIGI_STATE" type="application/json">';
const ROOM = '7300000000000000001';

const readers: Record<string, { read: (text: string) => unknown; lengthMax: number; before: string[] }> = {
  'the live page': {
    read: readLivePage,
    lengthMax: ANSWER_MAX,
    before: ['', STATE],
  },
  'the room API': { read: readRoomApi, lengthMax: ANSWER_MAX, before: ['', '{"data":'] },
  'room info': { read: (text) => readRoomInfo(text, ROOM), lengthMax: ANSWER_MAX, before: ['{"data":{"status":'] },
  'check alive': { read: (text) => readCheckAlive(text, [ROOM]), lengthMax: ANSWER_MAX, before: ['{"data":['] },
  'a user agent': { read: (text) => browserParams(text), lengthMax: HEADER_MAX, before: ['', 'Mozilla/5.0 ('] },
  'a pasted handle': { read: readUniqueId, lengthMax: HEADER_MAX, before: ['', '@', 'https://www.tiktok.com/'] },
  'a frame': { read: (text) => readFrame(Buffer.from(text, 'latin1'), LIMITS), lengthMax: ANSWER_MAX, before: ['', '\x3a\x03msg\x42'] },
  'a connect bundle': { read: bundle, lengthMax: ANSWER_MAX, before: [''] },
};

function bundle(text: string): unknown {
  try {
    return readFetchResult(Buffer.from(text, 'latin1'), LIMITS.messagesPerFrameMax);
  } catch (error) {
    return error;
  }
}

describe('readers of foreign text', () => {
  it.each(Object.keys(readers))('%s: the largest input takes a bounded time, whatever it repeats', (name) => {
    const reader = readers[name];
    if (!reader) throw new Error('no such reader');
    const { text, cpuMs } = slowest(reader.read, hostileTexts(reader.lengthMax, reader.before));
    expect({ text, isQuick: cpuMs < 2_000 }).toEqual({ text, isQuick: true });
  });

  it('a page beyond the largest is read as far as that', () => {
    const live = `${STATE}{"LiveRoom":{"liveRoomUserInfo":{"user":{"roomId":"${ROOM}"},"liveRoom":{"status":2}}}}</script>`;
    expect(readLivePage(live + ' '.repeat(2 * ANSWER_MAX))).toMatchObject({ kind: 'live', roomId: ROOM });
    expect(readLivePage(' '.repeat(2 * ANSWER_MAX) + live)).toMatchObject({ kind: 'unclear' });
  });

  it.each(HOSTILE_TOKENS.filter((token) => token.startsWith('<script') && !token.includes('SIGI')))(
    'finds the state behind many %s',
    (token) => {
      const live = `${STATE}{"LiveRoom":{"liveRoomUserInfo":{"user":{"roomId":"${ROOM}"},"liveRoom":{"status":2}}}}</script>`;
      expect(readLivePage(`${token.repeat(1_000)}>${live}`)).toMatchObject({ kind: 'live', roomId: ROOM });
    },
  );
});
