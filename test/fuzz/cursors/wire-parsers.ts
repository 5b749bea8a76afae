import { GiftPrices, HIDDEN, isUniqueId, readLivePage, readProxy, readUniqueId, RoomNormaliser } from '@tributary/webcast';
import { Tokens } from '../../../apps/signer/src/access/tokens.js';
import { type CacheKind, readEntry, writeEntry } from '../../../apps/signer/src/cache/kinds.js';
import { cursorOf, roomIdOf, textOf, uniqueIdOf, userAgentOf } from '../../../apps/signer/src/http/params.js';
import { roomOfLimitedUrl } from '../../../apps/signer/src/rooms/limited-url.js';
import { LiveHours } from '../../../apps/ingest/src/discovery/live-hours.js';
import { decodeHandoverState, encodeHandoverState } from '../../../apps/ingest/src/handover/handover-state.js';
import { encodeRecords, readRecord } from '../../../libs/log/src/spool/segment-record.js';
import { isCidr } from '../../../libs/outbound/src/addresses.js';
import { AllowedHosts } from '../../../libs/runtime/src/http/allowed-hosts.js';
import { decodeNormaliserState, encodeNormaliserState } from '../../../libs/webcast/src/normalise/normaliser-state.js';
import { readCheckAlive, readRoomApi, readRoomInfo } from '../../../libs/webcast/src/rooms/room-answers.js';
import type { Draw } from '../engine/draw.js';
import { type Parser, parser, snowflake, word } from './parser.js';

const tokens = new Tokens('a secret of thirty-two characters');
const hosts = new AllowedHosts({ names: ['tributary.example', '.example.org'] });
const KIND: CacheKind<{ room: string }> = { name: 'fuzz', freshMs: () => 1, staleMs: 1, entriesMax: 10 };
const ROOM = '7540589352666090247';
const handle = (draw: Draw) => `${word(draw, draw.between(2, 20))}.a`;

/** A page and answers of TikTok, as small as they can be. */
const SIGI = (room: string) =>
  `<html><script id="SIGI_STATE" type="application/json">${JSON.stringify({ LiveRoom: { liveRoomUserInfo: { user: { roomId: room, id: '5', uniqueId: 'a.b' }, liveRoom: { status: 2, title: 'x' } } } })}</script></html>`;

/** An answer of TikTok: read as something, or as unclear. */
const answer = (name: string, example: (draw: Draw) => string, read: (text: string) => { kind: string }): Parser =>
  parser({ name, example, read, judge: ({ kind }) => (kind === '' ? 'it says nothing' : undefined) });

/** What reads texts of TikTok, of clients of the signer, and of other processes. */
export const WIRE_PARSERS: readonly Parser[] = [
  parser({
    name: 'token of the signer',
    example: (draw) => tokens.mint({ sub: `key_${word(draw, 5)}`, creators: draw.chance(0.5) ? [handle(draw)] : null }, 3_600).token,
    read: (text) => {
      const verdict = tokens.verify(text);
      return verdict.ok ? verdict.claims : undefined;
    },
    judge: (_, text, original) => (text === original ? undefined : 'a changed token counts'),
  }),
  parser({
    name: 'handle of a creator',
    example: (draw) => draw.pick(['', '@', 'https://www.tiktok.com/@', 'm.tiktok.com/@', '%40']) + handle(draw),
    read: (text) => {
      const read = readUniqueId(text);
      return read.ok ? read.uniqueId : undefined;
    },
    judge: (id) => {
      const again = readUniqueId(`@${id}`);
      return isUniqueId(id) && again.ok && again.uniqueId === id ? undefined : 'it is no handle';
    },
  }),
  parser({
    name: 'room id of the signer',
    example: snowflake,
    read: roomIdOf,
    judge: (id) => (/^\d{5,20}$/.test(id) ? undefined : 'no room id'),
  }),
  parser({ name: 'unique_id of the signer', example: handle, read: uniqueIdOf }),
  parser({ name: 'cursor of the signer', example: (draw) => word(draw, 20), read: (text) => cursorOf({ cursor: text }) }),
  parser({ name: 'user agent of the signer', example: () => 'Mozilla/5.0 (X11)', read: userAgentOf }),
  parser({
    name: 'parameter by two names',
    example: (draw) => word(draw, 9),
    read: (text) => textOf({ a: text, b: text }, ['a', 'b'], 40),
  }),
  parser({
    name: 'URL of a limited caller',
    example: () => `https://webcast.tiktok.com/webcast/im/fetch/?aid=1988&room_id=${ROOM}`,
    read: (text) => (URL.canParse(text) ? roomOfLimitedUrl(new URL(text), { method: 'GET' }) : undefined),
    judge: (room, text) =>
      /^\d{5,20}$/.test(room) && new URL(text).searchParams.get('room_id') === room ? undefined : 'it is another room',
  }),
  parser({
    name: 'proxy of a creator',
    example: (draw) => `http://${word(draw, 3)}:${word(draw, 3)}@proxy.example:8080`,
    read: (text) => {
      const read = readProxy(text);
      return read.ok ? read : undefined;
    },
    judge: ({ url, shown }) => {
      const { username, password } = new URL(url);
      const isHidden = new URL(shown).password === '' && ['', HIDDEN].includes(new URL(shown).username);
      return isHidden && (username + password === '' || shown.includes(`${HIDDEN}@`)) ? undefined : 'it shows its password';
    },
  }),
  parser({
    name: 'cached entry',
    example: (draw) =>
      writeEntry(KIND, { value: { room: snowflake(draw) }, freshUntil: draw.below(2 ** 40), keepUntil: draw.below(2 ** 40) }),
    read: (text) => readEntry(KIND, text),
  }),
  parser({
    name: 'state of a handover',
    example: (draw) =>
      encodeHandoverState({ roomId: snowflake(draw), live: true, gap: { from: 5, reason: 'disconnect' }, ids: ['1'], hours: 'x' }),
    read: decodeHandoverState,
    judge: (state) => (decodeHandoverState(encodeHandoverState(state)) ? undefined : 'it does not come back'),
  }),
  parser({
    name: 'live hours',
    example: (draw) => {
      const hours = new LiveHours();
      hours.mark(draw.between(1_600_000_000, 1_900_000_000) * 1_000);
      return hours.encode() ?? '';
    },
    read: (text) => {
      const hours = LiveHours.decode(text);
      hours.isUsual(1_785_000_000_000);
      return hours;
    },
    judge: (hours, text, original) => (text !== original || hours.lastLiveAt !== undefined ? undefined : 'it has forgotten'),
  }),
  parser({
    name: 'state of a normaliser',
    example: (draw) =>
      encodeNormaliserState(ROOM, [draw.below(1_000), draw.below(1_000)], { runs: [[`1/2/${word(draw, 3)}`, 5, 1_785_000_000_000, 0]] }),
    read: decodeNormaliserState,
    judge: (_, text) => {
      const room = new RoomNormaliser({ creatorId: 'cr_1', handle: 'a.b', roomId: ROOM, savedState: text, prices: new GiftPrices() });
      room.sweep(1_785_000_100_000);
      return undefined;
    },
  }),
  answer('live page', (draw) => SIGI(snowflake(draw)), readLivePage),
  answer(
    'room API',
    (draw) => JSON.stringify({ statusCode: 0, data: { user: { roomId: snowflake(draw) }, liveRoom: { status: 2 } } }),
    readRoomApi,
  ),
  answer(
    'room info',
    (draw) => JSON.stringify({ status_code: 0, data: { status: 2, title: word(draw, 5), owner: { id_str: '5' } } }),
    (text) => readRoomInfo(text, ROOM),
  ),
  answer(
    'check alive',
    (draw) => JSON.stringify({ status_code: 0, data: [{ alive: draw.chance(0.5), room_id_str: ROOM }] }),
    (text) => ({ kind: readCheckAlive(text, [ROOM]) instanceof Map ? 'map' : 'problem' }),
  ),
  parser({
    name: 'spooled record',
    example: (draw) =>
      encodeRecords(draw.below(2 ** 40), [Array.from({ length: 11 }, () => word(draw, draw.below(20)))]).toString('latin1'),
    read: (text) => {
      const bytes = Buffer.from(text, 'latin1');
      const record = readRecord(bytes, 0, bytes.length);
      return record.kind === 'event' ? record : undefined;
    },
    judge: ({ bytes }, text, original) =>
      Buffer.from(text, 'latin1').subarray(0, bytes).equals(Buffer.from(original, 'latin1').subarray(0, bytes))
        ? undefined
        : 'a damaged record counts',
  }),
  parser({ name: 'network of an operator', example: () => '10.0.0.0/8', read: (text) => isCidr(text) || undefined }),
  parser({
    name: 'Host header',
    example: (draw) => draw.pick(['localhost:3000', '127.0.0.1', '[::1]:3000', 'tributary.example', 'a.example.org']),
    read: (text) => hosts.allows(text) || undefined,
  }),
];
