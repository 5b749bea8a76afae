/** The creators as cards: each element is made once and then only updated. */
import { aboutCreator, problemText, queueText, sinceText, STATE_LABEL, stateOfCreator } from './creator-words.js';
import { avatar, byId, count, decimal, h, icon, setText, spark, svg } from './dom.js';
import { groupOf } from './model.js';

const PAGE = 30;
const GROUPS = [
  ['all', 'All'],
  ['live', 'Live'],
  ['connecting', 'Connecting'],
  ['trouble', 'Trouble'],
  ['offline', 'Offline'],
  ['paused', 'Paused'],
  ['unknown', 'Unknown'],
];

export class Cards {
  /** @param {{model: import('./model.js').Model, onOpen: (id: string) => void, onPause: (id: string, paused: boolean) => void, onRemove: (id: string) => void, onAdd: () => void}} options */
  constructor(options) {
    this.options = options;
    this.cards = new Map();
    this.search = '';
    this.group = 'all';
    this.limit = PAGE;
    this.chips = new Map(GROUPS.map(([group, label]) => [group, this.makeChip(group, label)]));
    byId('state-filter').replaceChildren(...this.chips.values());
    byId('creator-search').addEventListener('input', ({ target }) => {
      this.search = target.value;
      this.render();
    });
    byId('more').addEventListener('click', () => {
      this.limit += PAGE;
      this.render();
    });
  }

  makeChip(group, label) {
    return h(
      'button',
      {
        class: 'chip',
        type: 'button',
        'aria-pressed': String(group === this.group),
        onclick: () => {
          this.group = group;
          for (const [name, chip] of this.chips) chip.setAttribute('aria-pressed', String(name === group));
          this.render();
        },
      },
      label,
      h('span', {}, ''),
    );
  }

  render() {
    const { model } = this.options;
    const shown = model.shown(this.search, this.group);
    const groups = {};
    for (const { view } of model.creators.values()) groups[groupOf(view)] = (groups[groupOf(view)] ?? 0) + 1;
    for (const [group, chip] of this.chips) setText(chip.lastChild, String(group === 'all' ? model.creators.size : (groups[group] ?? 0)));

    const list = byId('cards');
    const visible = shown.slice(0, this.limit);
    const kept = new Set(visible.map(({ view }) => view.id));
    for (const [id, card] of this.cards) {
      if (kept.has(id)) continue;
      card.element.remove();
      this.cards.delete(id);
    }
    visible.forEach((creator, i) => {
      const card = this.cards.get(creator.view.id) ?? this.makeCard(creator);
      this.cards.set(creator.view.id, card);
      if (list.children[i] !== card.element) list.insertBefore(card.element, list.children[i] ?? null);
      this.update(card, creator);
    });
    byId('more').hidden = shown.length <= this.limit;
    if (!byId('more').hidden) setText(byId('more'), `Show more (${shown.length - this.limit} not shown)`);
    this.renderEmpty(shown.length);
  }

  renderEmpty(shown) {
    const empty = byId('creators-empty');
    empty.hidden = shown > 0;
    if (shown > 0) return;
    const none = this.options.model.creators.size === 0;
    const mode = none ? 'none' : 'filtered';
    if (empty.dataset.mode === mode) return;
    empty.dataset.mode = mode;
    empty.replaceChildren(
      h('h3', {}, none ? 'No creator is monitored yet' : 'No creator matches'),
      h('p', {}, none ? 'Add one by handle or TikTok address. Its events appear here as soon as it is live.' : 'Change the search or the filter.'),
      none ? h('button', { class: 'button primary', type: 'button', onclick: this.options.onAdd }, 'Add creators') : '',
    );
  }

  makeCard({ view: { id, uniqueId } }) {
    const part = {
      name: h('button', { type: 'button', onclick: () => this.options.onOpen(id) }, `@${uniqueId}`),
      title: h('p', { class: 'card-title' }),
      stateText: h('span'),
      since: h('span'),
      viewers: h('dd'),
      rate: h('dd'),
      diamonds: h('dd'),
      spark: svg('svg', { class: 'spark', viewBox: '0 0 240 30', preserveAspectRatio: 'none', 'aria-hidden': 'true' }),
      pauseIcon: h('span', { class: 'icon-slot' }),
      pauseText: h('span', { class: 'visually-hidden' }),
      error: h('p', { class: 'card-error', hidden: true }, icon('warn'), h('span')),
    };
    part.state = h('span', { class: 'state' }, h('span', { class: 'dot' }), part.stateText);
    part.pause = h('button', { class: 'button ghost icon-only', type: 'button', data: { needs: 'creators:write' }, onclick: () => this.options.onPause(id, part.pause.dataset.next === 'pause') }, part.pauseIcon, part.pauseText);
    const remove = h('button', { class: 'button ghost icon-only', type: 'button', title: 'Remove', data: { needs: 'creators:write' }, onclick: () => this.options.onRemove(id) }, icon('trash'), h('span', { class: 'visually-hidden' }, `Remove @${uniqueId}`));
    const stat = (name, label, value) => h('div', {}, h('dt', {}, icon(name), label), value);
    part.element = h(
      'li',
      { class: 'card' },
      h('div', { class: 'card-head' }, avatar(uniqueId), h('div', { class: 'card-name' }, part.name, part.title)),
      h('div', { class: 'card-line' }, part.state, part.since, h('div', { class: 'card-actions' }, part.pause, remove)),
      h('dl', { class: 'stats' }, stat('eye', 'Viewers', part.viewers), stat('pulse', 'Events/s', part.rate), stat('gem', 'Diamonds', part.diamonds)),
      part.spark,
      part.error,
    );
    return part;
  }

  update(card, creator) {
    const { view } = creator;
    const state = stateOfCreator(view);
    const live = state === 'live';
    setText(card.name, `@${view.uniqueId}`);
    setText(card.title, aboutCreator(view));
    card.state.dataset.state = state;
    setText(card.stateText, STATE_LABEL[state] ?? state);
    setText(card.since, view.queue ? queueText(view.queue) : sinceText(view));
    setText(card.viewers, live ? count(creator.viewers) : '–');
    setText(card.rate, live ? decimal(creator.rate.perSecond()) : '–');
    setText(card.diamonds, live ? count(this.options.model.session(creator)?.diamonds ?? 0) : '–');
    card.element.dataset.quiet = String(!live);
    card.spark.toggleAttribute('hidden', !live);
    if (live) spark(card.spark, creator.rate.series(), 240, 30);
    const next = view.paused ? 'resume' : 'pause';
    if (card.pause.dataset.next !== next) {
      card.pause.dataset.next = next;
      card.pause.title = view.paused ? 'Resume' : 'Pause';
      card.pauseIcon.replaceChildren(icon(view.paused ? 'play' : 'pause'));
      setText(card.pauseText, `${view.paused ? 'Resume' : 'Pause'} @${view.uniqueId}`);
    }
    const problem = live || view.paused ? undefined : view.lastError;
    card.error.hidden = !problem;
    if (problem) setText(card.error.lastChild, problemText(problem, state));
  }
}
