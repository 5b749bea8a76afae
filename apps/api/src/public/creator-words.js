/** What is known of a creator, in words. */
import { brief, duration, timeOf } from './dom.js';

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

const ago = (text, now) => brief(Math.max(0, now - Date.parse(text)));

/** The state of a creator; one of which the API cannot say anything now is unknown too. */
export const stateOfCreator = (view) => (view.paused ? 'paused' : (view.state ?? 'unknown'));

/** For how long it is so: a stream counts from its start, whatever happened to our connection. */
export function sinceText(view, now = Date.now()) {
  const since = stateOfCreator(view) === 'live' ? (view.liveSince ?? view.since) : view.since;
  return since ? `for ${ago(since, now)}` : '';
}

/** The line below its name: the title of the stream that is on air, else what is known of it. */
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

/** A place in the queue for a connection, with what it will take. */
export function queueText({ place, waitMs }) {
  return `place ${place} in the queue${waitMs >= 1_000 ? `, about ${brief(waitMs)}` : ''}`;
}

/** A problem in one sentence, with when it is tried again; a block with its end. */
export function problemText({ message, reason, retryAt }, state) {
  const wait = retryAt ? Date.parse(retryAt) - Date.now() : 0;
  const text = message || reason;
  const next = state === 'blocked' ? `Blocked until ${timeOf(retryAt)}, in ${duration(wait)}.` : `Next try in ${duration(wait)}.`;
  return `${text}${/[.!?]$/.test(text) ? '' : '.'}${wait > 0 ? ` ${next}` : ''}`;
}

const END_TEXT = {
  streamEnd: 'the host ended it',
  poll: 'TikTok says so',
  paused: 'it was paused',
  removed: 'it was removed',
  'no-worker': 'no worker held it',
  'not-received': 'nothing was received for long',
  'end-missed': 'its end was missed',
};

/** Why a session has ended; for some of them nobody knows how long the stream went on. */
export const endText = (reason) => (reason ? (END_TEXT[reason] ?? reason) : '');
