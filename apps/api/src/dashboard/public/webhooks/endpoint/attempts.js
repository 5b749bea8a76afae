/** What was sent in one delivery and what came back. All of it is from outside: it goes in as text. */
import { h, setText } from '../../elements/dom.js';
import { bytes, plural, timeOf } from '../../elements/format.js';
import { failureText } from '../words.js';

/** @import { Attempt, DeliveryDetail } from '../../api/answers.js' */

const EVENTS_SHOWN = 5;

/** The attempts of one delivery, newest first; each is made once, so that what is opened stays open. */
export class Attempts {
  /** Those that are drawn, by their time. @type {Set<string>} */
  known = new Set();
  events = h('p', { class: 'muted small' });
  note = h('p', { class: 'muted' }, 'Loading its attempts…');
  list = h('ol', { class: 'attempts', reversed: true });
  element = h('div', {}, this.events, this.note, this.list);

  /** @param {Attempt[]} attempts oldest first @param {DeliveryDetail['eventList']} eventList */
  update(attempts, eventList) {
    setText(this.note, attempts.length === 0 ? 'It has had no attempt yet.' : '');
    const shown = eventList.slice(0, EVENTS_SHOWN).map(({ type, id }) => `${type} ${id}`);
    const more = eventList.length - shown.length;
    setText(this.events, eventList.length === 0 ? '' : `${plural(eventList.length, 'event')}: ${shown.join(', ')}${more > 0 ? ` and ${more} more` : ''}`);
    attempts.forEach((attempt, i) => {
      if (this.known.has(attempt.at)) return;
      this.known.add(attempt.at);
      this.list.prepend(draw(attempt, i === attempts.length - 1));
    });
  }
}

/** @param {Attempt} attempt @param {boolean} open */
function draw({ at, status, category, latencyMs, events, request, response }, open) {
  const { 'content-type': type, ...rest } = response.headers;
  const answer = [...lines({ ...(type ? { 'content-type': type } : {}), ...rest }), '', response.body || '(no body)'];
  return h(
    'li',
    { class: 'attempt', data: { tone: category ? 'bad' : 'good' } },
    h(
      'p',
      { class: 'attempt-head' },
      h('strong', {}, status === undefined ? 'No answer' : String(status)),
      h('span', {}, category ? failureText(category) : 'delivered'),
      h('span', { class: 'muted' }, `${latencyMs} ms`),
      h('time', { class: 'muted', datetime: at }, timeOf(at)),
    ),
    details(`Request: ${bytes(request.bytes)}, ${plural(events, 'event')}`, open, [`POST ${request.url}`, ...lines(request.headers)].join('\n')),
    status !== undefined && details(`Answer${type ? `: ${type}` : ''}`, open, answer.join('\n').trimStart()),
  );
}

/** @param {Record<string, string>} headers */
const lines = (headers) => Object.entries(headers).map(([name, value]) => `${name}: ${value}`);

/** @param {string} summary @param {boolean} open @param {string} text */
function details(summary, open, text) {
  return h('details', { open }, h('summary', {}, summary), h('pre', { tabindex: '0', 'aria-label': summary }, text));
}
