/** What is known of a creator, in words. */
import { brief, duration, timeOf } from '../elements/format.js';

/** @import { Creator, CreatorProblem, CreatorState } from '../api/answers.js' */

/** @type {Record<CreatorState, string>} */
export const STATE_LABEL = {
  live: 'Live',
  offline: 'Offline',
  connecting: 'Connecting',
  reconnecting: 'Reconnecting',
  gated: 'Age-gated',
  blocked: 'Blocked',
  error: 'Error',
  paused: 'Paused',
  unknown: 'Unknown',
};

/** @param {string} text @param {number} now */
const ago = (text, now) => brief(Math.max(0, now - Date.parse(text)));

/**
 * The state of a creator; one of which the API cannot say anything now is unknown too.
 * @param {Pick<Creator, 'paused' | 'state'>} view
 */
export const stateOfCreator = (view) => (view.paused ? 'paused' : (view.state ?? 'unknown'));

/** @typedef {'live' | 'connecting' | 'trouble' | 'offline' | 'paused' | 'unknown'} CreatorGroup */

/**
 * The few groups that a person filters by.
 * @param {Pick<Creator, 'paused' | 'state'>} view
 * @returns {CreatorGroup}
 */
export function groupOfCreator(view) {
  const state = stateOfCreator(view);
  if (state === 'connecting' || state === 'reconnecting') return 'connecting';
  if (state === 'error' || state === 'blocked' || state === 'gated') return 'trouble';
  return state;
}

/**
 * For how long it is so: a stream counts from its start, whatever happened to our connection.
 * @param {Pick<Creator, 'paused' | 'state' | 'since' | 'liveSince'>} view
 */
export function sinceText(view, now = Date.now()) {
  const since = stateOfCreator(view) === 'live' ? (view.liveSince ?? view.since) : view.since;
  return since ? `for ${ago(since, now)}` : '';
}

/**
 * The line below its name: the title of the stream that is on air, else what is known of it.
 * @param {Pick<Creator, 'paused' | 'state' | 'title' | 'lastKnown' | 'worker'>} view
 */
export function aboutCreator(view, now = Date.now()) {
  if (view.title) return view.title;
  const { lastKnown } = view;
  switch (stateOfCreator(view)) {
    case 'paused':
      return 'not watched while it is paused';
    case 'unknown':
      if (!lastKnown) return 'whether it is live is not known';
      return `${lastKnown.live ? 'live' : 'offline'} when last known, ${ago(lastKnown.at, now)} ago`;
    case 'offline':
      return lastKnown ? `checked ${ago(lastKnown.at, now)} ago` : '';
    default:
      return view.worker ? `held by ${view.worker}` : '';
  }
}

/** A place in the queue for a connection, with what it will take. @param {NonNullable<Creator['queue']>} queue */
export function queueText({ place, waitMs }) {
  return `place ${place} in the queue${waitMs >= 1_000 ? `, about ${brief(waitMs)}` : ''}`;
}

/**
 * A problem in one sentence, with when it is tried again where that is known; a block with its end.
 * @param {Pick<CreatorProblem, 'message' | 'reason' | 'retryAt'>} problem
 * @param {CreatorState} state
 */
export function problemText({ message, reason, retryAt }, state) {
  const text = message || reason;
  const sentence = `${text}${/[.!?]$/.test(text) ? '' : '.'}`;
  const waitMs = retryAt ? Date.parse(retryAt) - Date.now() : 0;
  if (!retryAt || !(waitMs > 0)) return sentence;
  return `${sentence} ${state === 'blocked' ? `Blocked until ${timeOf(retryAt)}, in ${duration(waitMs)}.` : `Next try in ${duration(waitMs)}.`}`;
}

/** @type {Record<string, string>} */
const END_TEXT = {
  streamEnd: 'the host ended it',
  poll: 'TikTok says so',
  paused: 'it was paused',
  removed: 'it was removed',
  'no-worker': 'no worker held it',
  'not-received': 'nothing was received for long',
  'end-missed': 'its end was missed',
};

/** Why a session has ended; for some of them nobody knows how long the stream went on. @param {string} reason */
export const endText = (reason) => END_TEXT[reason] ?? reason;
