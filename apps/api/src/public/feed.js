/** The live feed: readable lines, newest first, bounded however many events come. */
import { byId, h, icon, timeOf } from './dom.js';
import { lineOf } from './lines.js';

const LINES_MAX = 150;
const FLUSH_MS = 400;
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
  constructor() {
    this.kinds = new Set(KINDS.filter(([, , on]) => on).map(([kind]) => kind));
    this.creator = '';
    this.held = false;
    this.waiting = [];
    this.recent = [];
    this.scheduled = false;
    this.flushedAt = 0;
    this.list = byId('feed');
    byId('type-filter').replaceChildren(...KINDS.map(([kind, label]) => this.makeChip(kind, label)));
    byId('feed-creator').addEventListener('change', ({ target }) => {
      this.creator = target.value;
      this.redraw();
    });
    const pause = byId('feed-pause');
    pause.addEventListener('click', () => {
      this.held = !this.held;
      pause.setAttribute('aria-pressed', String(this.held));
      if (!this.held) this.redraw();
    });
  }

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

  /** Names in the list of creators to choose from. */
  setCreators(creators) {
    const select = byId('feed-creator');
    const names = creators.map(({ view }) => [view.id, `@${view.uniqueId}`]).sort((a, b) => (a[1] < b[1] ? -1 : 1));
    const key = names.join();
    if (select.dataset.key === key) return;
    select.dataset.key = key;
    select.replaceChildren(h('option', { value: '' }, 'All creators'), ...names.map(([id, name]) => h('option', { value: id }, name)));
    select.value = names.some(([id]) => id === this.creator) ? this.creator : '';
    this.creator = select.value;
  }

  /** Takes an event. Only the newest of each kind are kept, so that a flood of one does not push out the others. */
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

  keep(line) {
    this.recent.push(line);
    if (this.recent.length < LINES_MAX * 8) return;
    const left = {};
    this.recent = this.recent
      .reverse()
      .filter(({ kind }) => (left[kind] = (left[kind] ?? 0) + 1) <= LINES_MAX)
      .reverse();
  }

  shows(line) {
    return this.kinds.has(line.kind) && (!this.creator || line.creatorId === this.creator);
  }

  flush() {
    this.scheduled = false;
    this.flushedAt = Date.now();
    const lines = this.waiting.splice(0).reverse().map(draw);
    this.list.prepend(...lines);
    while (this.list.children.length > LINES_MAX) this.list.lastChild.remove();
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

function draw(line) {
  const parts = line.parts.map((part) => (typeof part === 'string' ? part : h('span', { class: part.gem ? 'line-gem' : 'line-who' }, part.gem ?? part.who)));
  return h(
    'li',
    { class: 'line', data: { kind: line.kind } },
    h('span', { class: 'line-icon' }, icon(line.icon)),
    h('span', { class: 'line-text' }, ...parts, line.creator ? h('span', { class: 'line-creator' }, `@${line.creator}`) : ''),
    h('time', { class: 'line-time', datetime: line.time }, timeOf(line.time)),
  );
}
