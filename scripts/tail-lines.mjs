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

/** @param {string} time */
function clock(time) {
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? '--:--:--' : date.toTimeString().slice(0, 8);
}
