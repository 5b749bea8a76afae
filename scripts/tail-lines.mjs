import { paint, plain } from './terminal.mjs';

/** What is worth saying of an event's data, by type. @type {Record<string, (data: any) => string>} */
const TEXTS = {
  chat: (data) => data.comment,
  gift: (data) =>
    `${data.count} x ${data.name || `gift ${data.giftId}`} (${data.totalDiamonds} diamonds${data.final ? ', run ended' : ''})`,
  like: (data) => `${data.count} likes, ${data.roomLikes} in all`,
  member: (data) => `joined, ${data.memberCount} here`,
  follow: () => 'followed',
  share: () => 'shared the room',
  roomUser: (data) => `${data.viewers} viewers, ${data.totalViewers} since the start`,
  question: (data) => `asks: ${data.text}`,
  subscribe: (data) => `${data.notice}, month ${data.months}`,
  caption: (data) => data.text ?? data.content ?? '',
  live: (data) => `is live${data.title ? `: ${data.title}` : ''}`,
  offline: (data) => `is offline (${data.confirmedBy})`,
  unwatched: (data) => `is watched no more: ${data.reason}`,
  connected: (data) => `connected by ${data.worker}`,
  disconnected: (data) => `disconnected: ${data.reason}, ${data.events} events`,
  gap: (data) => `gap from ${data.from} to ${data.to}: ${data.reason}`,
  error: (data) => data.message,
};
const OTHER_CHARS_MAX = 160;

/**
 * One readable line for an event as the API delivers it.
 * @param {{ type: string, time: string, creator: string, data: any }} event
 */
export function describe({ type, time, creator, data }) {
  const name = type.slice(type.lastIndexOf('.') + 1);
  const person = data.user?.uniqueId ?? data.user?.nickname ?? data.user?.id;
  const { user: _user, ...rest } = data;
  const text = TEXTS[name]?.(data) ?? JSON.stringify(rest).slice(0, OTHER_CHARS_MAX);
  const head = `${paint('dim', clock(time))} ${paint('cyan', plain(`@${creator}`.padEnd(16)))} ${paint(type.startsWith('monitor.') ? 'yellow' : 'green', plain(name.padEnd(12)))}`;
  return `${head} ${person ? `${paint('bold', plain(String(person)))} ` : ''}${plain(String(text))}`;
}

/**
 * One line about a creator as the API shows it: its state, since when, and what was known last where that is not it.
 * @param {{ uniqueId: string, state: string | null, since: string | null, liveSince: string | null, lastKnown: { live: boolean, at: string } | null,
 *   lastError: { message: string } | null }} creator
 */
export function describeState({ uniqueId, state, since, liveSince, lastKnown, lastError }) {
  const from = state === 'live' ? (liveSince ?? since) : since;
  const known = state === 'unknown' && lastKnown ? `; it was ${lastKnown.live ? 'live' : 'offline'} at ${clock(lastKnown.at)}` : '';
  const why = lastError && state !== 'live' ? `: ${plain(lastError.message)}` : '';
  return `@${plain(uniqueId)} is ${state ?? 'in a state that cannot be read now'}${from ? ` since ${day(from)}${clock(from)}` : ''}${known}${why}`;
}

/** The day in front of a time that is not of today. @param {string} time */
function day(time) {
  const [then, today] = [new Date(time), new Date()].map((date) => date.toDateString());
  return then === today ? '' : `${new Date(time).toLocaleDateString('en-CA')} `;
}

/** @param {string} time */
function clock(time) {
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? '--:--:--' : date.toTimeString().slice(0, 8);
}
