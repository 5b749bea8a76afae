/** What was sent in one delivery and what came back. All of it is from outside: it goes in as text. */
import { bytes, h, setText, timeOf } from './dom.js';
import { failureText, plural } from './webhook-words.js';

const EVENTS_SHOWN = 5;

/** The attempts of one delivery, newest first; each is made once, so that what is opened stays open. */
export class Attempts {
  constructor() {
    this.known = new Set();
    this.events = h('p', { class: 'muted small' });
    this.note = h('p', { class: 'muted' }, 'Loading its attempts…');
    this.list = h('ol', { class: 'attempts', reversed: true });
    this.element = h('div', {}, this.events, this.note, this.list);
  }

  /** @param {object[]} attempts oldest first @param {{id: string, type: string}[]} eventList */
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

function draw(attempt, open) {
  const { at, status, category, latencyMs, events, request, response } = attempt;
  const { 'content-type': type, ...rest } = response.headers;
  const answered = status !== undefined;
  return h(
    'li',
    { class: 'attempt', data: { tone: category ? 'bad' : 'good' } },
    h(
      'p',
      { class: 'attempt-head' },
      h('strong', {}, answered ? String(status) : 'No answer'),
      h('span', {}, category ? failureText(category) : 'delivered'),
      h('span', { class: 'muted' }, `${latencyMs} ms`),
      h('time', { class: 'muted', datetime: at }, timeOf(at)),
    ),
    details(`Request: ${bytes(request.bytes)}, ${plural(events, 'event')}`, open, [`POST ${request.url}`, ...lines(request.headers)].join('\n')),
    answered
      ? details(`Answer${type ? `: ${type}` : ''}`, open, [...lines({ ...(type ? { 'content-type': type } : {}), ...rest }), '', response.body || '(no body)'].join('\n').trimStart())
      : '',
  );
}

const lines = (headers) => Object.entries(headers).map(([name, value]) => `${name}: ${value}`);

function details(summary, open, text) {
  return h('details', { open }, h('summary', {}, summary), h('pre', { tabindex: '0', 'aria-label': summary }, text));
}
