import { hasWords, wordsOf } from '../../apps/api/src/dashboard/public/feed/event-words.js';
import { paint, plain } from '../terminal.mjs';

const OTHER_CHARS_MAX = 160;

/**
 * One readable line for an event as the API delivers it; undefined when a person has nothing to read in it.
 * @param {{ type: string, time: string, creator: string, data: any }} event
 */
export function describe({ type, time, creator, data }) {
  const text = hasWords(type) ? inWords({ type, data }) : asJson(data);
  if (text === undefined) return undefined;
  const name = type.slice(type.lastIndexOf('.') + 1);
  const colour = type.startsWith('monitor.') ? 'yellow' : 'green';
  return `${paint('dim', clock(time))} ${paint('cyan', plain(`@${creator}`.padEnd(16)))} ${paint(colour, plain(name.padEnd(12)))} ${text}`;
}

/** @param {{ type: string, data: any }} event */
function inWords(event) {
  const [, ...parts] = wordsOf(event) ?? [];
  if (parts.length === 0) return undefined;
  return parts
    .map((part) => (typeof part === 'string' ? plain(part) : 'gem' in part ? plain(part.gem) : person(part.who)))
    .join('')
    .trim();
}

/** An event without words of its own: who it is about, and the beginning of its data. @param {any} data */
function asJson({ user, ...rest }) {
  return `${user ? `${person(user)} ` : ''}${plain(JSON.stringify(rest).slice(0, OTHER_CHARS_MAX))}`;
}

/** The handle of a viewer, by which they can be found again. @param {{ id?: string, uniqueId?: string, nickname?: string }} [user] */
function person(user) {
  return paint('bold', plain(String(user?.uniqueId || user?.nickname || user?.id || 'somebody')));
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
