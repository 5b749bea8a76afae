/** Events as lines of the live feed. */
import { wordsOf } from './event-words.js';

/** @import { LiveEvent, Person } from '../api/event-data.js' */

/** @typedef {'chat' | 'gift' | 'like' | 'join' | 'social' | 'system' | 'other'} Kind */

/**
 * A piece of a line: text, a name, or an amount of diamonds.
 * @typedef {string | { who: string } | { gem: string }} Part
 */

/** @typedef {{ creator: string, creatorId: string, time: string, kind: Kind, icon: string, parts: Part[] }} Line */

/** @type {Record<string, Kind>} */
const KIND_OF = {
  chat: 'chat',
  question: 'chat',
  emote: 'chat',
  caption: 'chat',
  roomPin: 'chat',
  liveIntro: 'chat',
  gift: 'gift',
  envelope: 'gift',
  superFanBox: 'gift',
  subscribe: 'gift',
  superFan: 'gift',
  superFanJoin: 'gift',
  like: 'like',
  member: 'join',
  follow: 'social',
  share: 'social',
  social: 'social',
  control: 'system',
  streamEnd: 'system',
};

/** The cards show the number of viewers, which changes every two seconds. */
const NOT_IN_FEED = 'tiktok.live.roomUser';

/** @param {Person | undefined} user */
const nameOf = (user) => user?.nickname || user?.uniqueId || 'Somebody';

/** An event as a line of the feed; undefined when it has nothing to say there. @param {LiveEvent} event @returns {Line | undefined} */
export function lineOf(event) {
  const words = event.type === NOT_IN_FEED ? undefined : wordsOf(event);
  if (!words) return undefined;
  const [icon, ...parts] = words;
  const name = event.type.replace(/^.*\./, '');
  const kind = event.type.startsWith('monitor.') ? 'system' : (KIND_OF[name] ?? 'other');
  const shown = parts.map((part) => (typeof part === 'object' && 'who' in part ? { who: nameOf(part.who) } : part));
  return { creator: event.creator, creatorId: event.subject, time: event.receivedat, kind, icon, parts: shown };
}
