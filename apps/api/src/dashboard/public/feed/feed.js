/** The live feed: readable lines, newest first, bounded however many events come. */
import { byId, h, icon } from '../elements/dom.js';
import { timeOf } from '../elements/format.js';
import { lineOf } from './lines.js';

/** @import { LiveEvent } from '../api/event-data.js' */
/** @import { Monitored } from '../creators/model.js' */
/** @import { Kind, Line } from './lines.js' */

const LINES_MAX = 150;
/** Lines that are kept for other filters, before the oldest of each kind go. */
const KEPT_MAX = LINES_MAX * 8;
const FLUSH_MS = 400;
/** @type {[kind: Kind, label: string, shown: boolean][]} */
const KINDS = [
  ['chat', 'Chat', true],
  ['gift', 'Gifts', true],
  ['like', 'Likes', false],
  ['join', 'Joins', false],
  ['social', 'Follows, shares', true],
  ['system', 'System', true],
  ['other', 'Other', false],
];

export class Feed {
  kinds = new Set(KINDS.filter(([, , on]) => on).map(([kind]) => kind));
  /** Internal id; empty for all. */
  creator = '';
  held = false;
  /** Not drawn yet. @type {Line[]} */
  waiting = [];
  /** @type {Line[]} */
  recent = [];
  scheduled = false;
  flushedAt = 0;
  list = byId('feed');

  constructor() {
    byId('type-filter').replaceChildren(...KINDS.map(([kind, label]) => this.makeChip(kind, label)));
    const select = byId('feed-creator');
    select.addEventListener('change', () => {
      this.creator = select.value;
      this.redraw();
    });
    const pause = byId('feed-pause');
    pause.addEventListener('click', () => {
      this.held = !this.held;
      pause.setAttribute('aria-pressed', String(this.held));
      if (!this.held) this.redraw();
    });
  }

  /** @param {Kind} kind @param {string} label */
  makeChip(kind, label) {
    return h(
      'button',
      {
        class: 'chip',
        type: 'button',
        'aria-pressed': String(this.kinds.has(kind)),
        onclick: ({ currentTarget }) => {
          if (!this.kinds.delete(kind)) this.kinds.add(kind);
          currentTarget.setAttribute('aria-pressed', String(this.kinds.has(kind)));
          this.redraw();
        },
      },
      label,
    );
  }

  /** Names in the list of creators to choose from. @param {Monitored[]} creators */
  setCreators(creators) {
    const select = byId('feed-creator');
    const names = creators.map(({ view }) => ({ id: view.id, name: `@${view.uniqueId}` })).sort((a, b) => (a.name < b.name ? -1 : 1));
    const key = names.map(({ id, name }) => `${id} ${name}`).join();
    if (select.dataset.key === key) return;
    select.dataset.key = key;
    select.replaceChildren(h('option', { value: '' }, 'All creators'), ...names.map(({ id, name }) => h('option', { value: id }, name)));
    select.value = names.some(({ id }) => id === this.creator) ? this.creator : '';
    this.creator = select.value;
  }

  /** Takes an event. Only the newest of each kind are kept, so that a flood of one does not push out the others. @param {LiveEvent} event */
  take(event) {
    const line = lineOf(event);
    if (!line) return;
    this.keep(line);
    if (this.held || !this.shows(line)) return;
    this.waiting.push(line);
    if (this.waiting.length > LINES_MAX) this.waiting.shift();
    if (this.scheduled) return;
    this.scheduled = true;
    // A flood is drawn a few times a second, in which nobody could read more; a single line at once.
    setTimeout(() => requestAnimationFrame(() => this.flush()), Math.max(0, FLUSH_MS - (Date.now() - this.flushedAt)));
  }

  /** @param {Line} line */
  keep(line) {
    this.recent.push(line);
    if (this.recent.length < KEPT_MAX) return;
    /** @type {Partial<Record<Kind, number>>} */
    const kept = {};
    this.recent = this.recent
      .reverse()
      .filter(({ kind }) => (kept[kind] = (kept[kind] ?? 0) + 1) <= LINES_MAX)
      .reverse();
  }

  /** @param {Line} line */
  shows(line) {
    return this.kinds.has(line.kind) && (!this.creator || line.creatorId === this.creator);
  }

  flush() {
    this.scheduled = false;
    this.flushedAt = Date.now();
    this.list.prepend(...this.waiting.splice(0).reverse().map(draw));
    while (this.list.children.length > LINES_MAX) this.list.lastElementChild?.remove();
    const empty = this.list.children.length === 0;
    byId('feed-empty').hidden = !empty;
    this.list.hidden = empty;
  }

  redraw() {
    this.waiting = this.recent.filter((line) => this.shows(line)).slice(-LINES_MAX);
    this.list.replaceChildren();
    this.flush();
    byId('feed-empty').textContent = this.recent.length > 0 ? 'Nothing of this kind yet.' : 'Waiting for the first event…';
  }
}

/** @param {Line} line */
function draw(line) {
  const parts = line.parts.map((part) => {
    if (typeof part === 'string') return part;
    return 'gem' in part ? h('span', { class: 'line-gem' }, part.gem) : h('span', { class: 'line-who' }, part.who);
  });
  return h(
    'li',
    { class: 'line', data: { kind: line.kind } },
    h('span', { class: 'line-icon' }, icon(line.icon)),
    h('span', { class: 'line-text' }, ...parts, line.creator ? h('span', { class: 'line-creator' }, `@${line.creator}`) : ''),
    h('time', { class: 'line-time', datetime: line.time }, timeOf(line.time)),
  );
}
