/** Webhooks in words: states, reasons, categories of failure. Pure, so that every part says the same. */
import { brief, count, dateOf, decimal, duration, plural, timeOf } from '../elements/format.js';

/** @import { Backlog, Delivery, Endpoint, EndpointHealth, EndpointLag, FailureCategory } from '../api/answers.js' */
/** @import { Monitored } from '../creators/model.js' */

/** @type {Record<FailureCategory, string>} */
const CATEGORY_TEXT = {
  dns: 'its name has no address',
  blocked_address: 'its address is closed to webhooks',
  connect: 'no connection',
  tls: 'TLS failed',
  timeout: 'no answer in time',
  reset: 'the connection broke',
  response: 'the answer is not HTTP',
  redirect: 'it redirects',
  throttled: 'it is overloaded',
  gone: 'it answered 410 Gone',
  status: 'error status',
};

/** @type {Record<NonNullable<Endpoint['reason']>, string>} */
const DISABLED_TEXT = {
  gone: 'It answered 410 Gone. Nothing is sent until it is resumed.',
  failing: 'Every attempt failed for 120 hours. Nothing is sent until it is resumed.',
  owner: 'The key that it belongs to was revoked, or has expired. Nothing is sent until an administrator gives it to another one and it is resumed.',
};

/** @typedef {Exclude<Delivery['state'], 'open'> | 'failed' | 'retrying' | 'waiting'} ShownDeliveryState */

/** @type {Record<ShownDeliveryState, string>} */
export const DELIVERY_LABEL = {
  delivered: 'Delivered',
  dead: 'Given up',
  failed: 'Failed',
  cancelled: 'Cancelled',
  erased: 'Erased',
  retrying: 'Retrying',
  waiting: 'Waiting',
};

/** @type {Record<Delivery['kind'], string>} */
export const KIND_LABEL = { live: '', replay: 'replay', retry: 'retried by hand', test: 'test' };

const FAILING_MS = 60_000;

/**
 * A failure in words; the status where there was one. Empty where nothing failed.
 * @param {FailureCategory | null | undefined} category
 * @param {number | null} [status]
 */
export const failureText = (category, status) => (category ? `${CATEGORY_TEXT[category] ?? category}${status ? ` (${status})` : ''}` : '');

/** @typedef {'enabled' | 'retrying' | 'resting' | 'failing' | 'paused' | 'disabled'} EndpointKey */

/**
 * What an endpoint is shown as: `key` for its colour and filter, a word, and a sentence where there is something to say.
 * The states of the API come first, then what the last attempts say.
 * @param {Pick<Endpoint, 'state' | 'reason' | 'stateSince' | 'health' | 'lag'>} endpoint
 * @returns {{ key: EndpointKey, label: string, note: string }}
 */
export function stateOf({ state, reason, stateSince, health, lag }, now = Date.now()) {
  if (state === 'disabled') return { key: 'disabled', label: 'Disabled', note: (reason && DISABLED_TEXT[reason]) ?? 'Nothing is sent until it is resumed.' };
  if (state === 'paused') return { key: 'paused', label: 'Paused', note: `Paused for ${duration(now - Date.parse(stateSince))}. Its backlog is kept.` };
  const { failingSince, lastSuccessAt, throttledUntil } = health;
  // One that gets something through between its failures is only retrying.
  if (failingSince && (!lastSuccessAt || now - Date.parse(lastSuccessAt) > FAILING_MS)) {
    return { key: 'failing', label: 'Failing', note: `Every attempt has failed for ${duration(now - Date.parse(failingSince))}; after 120 hours it is disabled.` };
  }
  if (throttledUntil) return { key: 'resting', label: 'Resting', note: `The receiver asked to wait until ${timeOf(throttledUntil)}.` };
  if (lag.retrying > 0) return { key: 'retrying', label: 'Retrying', note: `${plural(lag.retrying, 'delivery', 'deliveries')} failed and will be tried again.` };
  return { key: 'enabled', label: 'Enabled', note: '' };
}

/** @typedef {'enabled' | 'trouble' | 'paused' | 'disabled'} EndpointGroup */

/** The few groups that a person filters by. @param {Endpoint} endpoint @returns {EndpointGroup} */
export function groupOf(endpoint) {
  const { key } = stateOf(endpoint);
  return key === 'enabled' || key === 'paused' || key === 'disabled' ? key : 'trouble';
}

/** The last failure and how long ago it was: the same wherever it is shown. @param {EndpointHealth} health */
export function lastFailureText({ lastFailure }, now = Date.now()) {
  if (!lastFailure) return 'none';
  const why = failureText(lastFailure.category, lastFailure.status);
  return `${unbroken(brief(Math.max(0, now - Date.parse(lastFailure.at))))} ago${why ? `: ${why}` : ''}`;
}

/** How events are sent to it: `In order · batches of 100`. @param {Endpoint} endpoint */
export function kindText({ ordered, maxInFlight, batch, rateLimit }) {
  const parts = [ordered ? 'In order' : `Parallel, ${maxInFlight} at a time`];
  if (batch) parts.push(`batches of up to ${count(batch.maxEvents)}`);
  if (rateLimit !== null) parts.push(`at most ${decimal(rateLimit)}/s`);
  return parts.join(' · ');
}

/** How far behind: `caught up`, or events and the age of the oldest. @param {EndpointLag} lag */
export function lagText({ events, more, open, oldestAt }, now = Date.now()) {
  if (events === 0 && open === 0) return 'caught up';
  const age = oldestAt ? `, ${unbroken(brief(Math.max(0, now - Date.parse(oldestAt))))}` : '';
  if (events === null) return `not counted in time${age}`;
  return `${events ? `${plural(events, 'event')}${more ? ' or more' : ''}` : plural(open, 'delivery', 'deliveries')}${age}`;
}

/** Success of the newest deliveries as a share; undefined where there was none. @param {EndpointHealth} health */
export function successOf({ recent }) {
  const all = recent.delivered + recent.failed;
  return all === 0 ? undefined : { share: recent.delivered / all, text: `${recent.delivered} of ${all}` };
}

/** @param {string} text */
const unbroken = (text) => text.replaceAll(' ', '\u00a0');

/** How many were given up. @param {number} dead */
export const deadText = (dead) => `${count(dead)}${dead >= 1_000 ? '+' : ''}`;

/** What waits and when it will be lost; empty where nothing waits. @param {Backlog} backlog */
export function backlogText({ events, more, oldestAt, lostAt }, now = Date.now()) {
  if (!oldestAt) return events === 0 ? 'Nothing waits.' : '';
  const waits = events ? `${plural(events, 'matching event')}${more ? ' or more' : ''} ${events === 1 && !more ? 'waits' : 'wait'}` : 'What is under way waits';
  const kept = lostAt ? `Retention takes it ${dateOf(lostAt)}, in ${duration(Math.max(0, Date.parse(lostAt) - now))}.` : 'Events are kept without limit.';
  return `${waits}; the oldest came ${dateOf(oldestAt)}. ${kept}`;
}

/**
 * A delivery's state as a person sees it: one that is open waits for its first attempt, or for another;
 * a test has one attempt.
 * @param {Pick<Delivery, 'state' | 'attempts' | 'kind'>} delivery
 * @returns {ShownDeliveryState}
 */
export function deliveryState({ state, attempts, kind }) {
  if (state === 'open') return attempts > 0 ? 'retrying' : 'waiting';
  return state === 'dead' && kind === 'test' ? 'failed' : state;
}

/**
 * What a delivery is about: `gift of @luna`, or how many events of which types.
 * @param {Pick<Delivery, 'events' | 'types' | 'creators'>} delivery
 */
export function contentText({ events, types, creators }) {
  const names = types.map(shortType).join(', ');
  const what = events === 1 && names ? names : `${plural(events, 'event')}${names ? `: ${names}` : ''}`;
  const [creator, ...others] = creators;
  return `${what}${creator?.uniqueId && others.length === 0 ? ` of @${creator.uniqueId}` : ''}`;
}

/** `tiktok.live.gift` as `gift`; types of the system keep their whole name. @param {string} type */
const shortType = (type) => type.replace(/^tiktok\.live\.(?=\w)/, '');

/** Host and rest of a URL; the host is what tells endpoints apart. @param {string} text */
export function splitUrl(text) {
  try {
    const { protocol, host, pathname, search } = new URL(text);
    return { host, rest: pathname === '/' && !search ? '' : pathname + search, secure: protocol === 'https:' };
  } catch {
    return { host: text, rest: '', secure: false };
  }
}

/** The handle of a creator where it is known, else its id. @param {string} id @param {Map<string, Monitored>} creators by id */
export function handleOf(id, creators) {
  const known = creators.get(id);
  return known ? `@${known.view.uniqueId}` : id;
}

/**
 * Which events it gets, in a line: `gift, monitor.* of @luna.bakes and 2 more, with “hello”`.
 * @param {Pick<Endpoint, 'types' | 'creators'> & { room?: string | null, user?: string | null, q?: string | null }} endpoint
 * @param {Map<string, Monitored>} creators by id
 */
export function filterText({ types, creators: ids, room, user, q }, creators, shownMax = 3) {
  /** @param {string[]} list */
  const some = (list) => (list.length > shownMax ? `${list.slice(0, shownMax).join(', ')} and ${list.length - shownMax} more` : list.join(', '));
  const what = types ? some(types.map(shortType)) : 'Every event';
  const who = `${what} of ${ids ? some(ids.map((id) => handleOf(id, creators))) : 'every creator'}`;
  return [who, room && `in room ${room}`, user && `by viewer ${user}`, q && `with “${q}”`].filter(Boolean).join(', ');
}
