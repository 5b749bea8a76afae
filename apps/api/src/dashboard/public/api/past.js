/** Lists of the API that are longer than one page. */

/** @import { Page } from './answers.js' */
/** @import { LiveEvent } from './event-data.js' */
/** @import { Call } from './routes.js' */

const EVENTS_PAGE = 1_000;

/**
 * Reads the newest events of these types, oldest first, and the position after which a live stream goes on: nothing is lost
 * between the two, and nothing comes twice. A list in descending order has no such position, so that what came meanwhile is
 * read on from its newest event. Without one the position is undefined: there is nothing that a stream could repeat.
 * @param {{ call: Call }} api
 * @param {string[]} types
 * @param {number} limit
 * @returns {Promise<{ events: LiveEvent[], position: string | undefined }>}
 */
export async function readPast(api, types, limit) {
  const newest = await api.call('GET /v1/events', { query: { type: types, order: 'desc', limit } });
  const events = newest.data.reverse();
  let position = events.at(-1)?.position;
  for (let more = position !== undefined; more;) {
    const page = await api.call('GET /v1/events', { query: { type: types, limit: EVENTS_PAGE, cursor: position } });
    events.push(...page.data);
    position = page.next;
    more = page.more;
  }
  return { events, position };
}

/**
 * Reads a list page by page.
 * @template T
 * @param {number} most no further page is read once there are this many
 * @param {(cursor: string | undefined) => Promise<Page<T>>} readPage
 * @returns {Promise<T[]>}
 */
export async function readPages(most, readPage) {
  /** @type {T[]} */
  const list = [];
  for (let cursor; list.length < most;) {
    /** @type {Page<T>} */
    const page = await readPage(cursor);
    list.push(...page.data);
    if (page.next === null) break;
    cursor = page.next;
  }
  return list;
}
