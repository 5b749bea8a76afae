/** The creators as cards: each element is made once and then only updated. */
import { Chips } from '../elements/chips.js';
import { arrange, avatar, byId, dropRows, h, icon, setText, spark, svg } from '../elements/dom.js';
import { count, decimal } from '../elements/format.js';
import { aboutCreator, problemText, queueText, sinceText, STATE_LABEL, stateOfCreator } from './words.js';

/** @import { Model, Monitored } from './model.js' */
/** @import { CreatorGroup } from './words.js' */

const PAGE = 30;
/** @type {[CreatorGroup | 'all', string][]} */
const GROUPS = [
  ['all', 'All'],
  ['live', 'Live'],
  ['connecting', 'Connecting'],
  ['trouble', 'Trouble'],
  ['offline', 'Offline'],
  ['paused', 'Paused'],
  ['unknown', 'Unknown'],
];

/**
 * What a person may do with a creator.
 * @typedef {{ onPause: (id: string, paused: boolean) => void, onRemove: (id: string) => void }} CreatorActions
 */

export class Cards {
  /** @type {Map<string, Card>} */
  cards = new Map();
  search = '';
  /** @type {CreatorGroup | 'all'} */
  group = 'all';
  limit = PAGE;

  /** @param {CreatorActions & { model: Model, onOpen: (id: string) => void, onAdd: () => void }} options */
  constructor(options) {
    this.options = options;
    this.chips = new Chips(GROUPS, (group) => {
      this.group = group;
      this.render();
    });
    byId('state-filter').replaceChildren(...this.chips.elements);
    const search = byId('creator-search');
    search.addEventListener('input', () => {
      this.search = search.value;
      this.render();
    });
    byId('more').addEventListener('click', () => {
      this.limit += PAGE;
      this.render();
    });
  }

  render() {
    const { model } = this.options;
    const counts = model.counts();
    this.chips.setCounts((group) => counts[group]);
    const shown = model.shown(this.search, this.group);
    const visible = shown.slice(0, this.limit);
    dropRows(this.cards, visible.map(({ view }) => view.id));
    const cards = visible.map((creator) => {
      const card = this.cards.get(creator.view.id) ?? makeCard(creator, this.options);
      this.cards.set(creator.view.id, card);
      updateCard(card, creator, model.session(creator)?.diamonds ?? 0);
      return card;
    });
    arrange(byId('cards'), cards.map(({ element }) => element));
    byId('more').hidden = shown.length <= this.limit;
    if (!byId('more').hidden) setText(byId('more'), `Show more (${shown.length - this.limit} not shown)`);
    this.renderEmpty(shown.length);
  }

  /** @param {number} shown how many creators match */
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
}

/** @typedef {ReturnType<typeof makeCard>} Card */

/** @param {Monitored} creator @param {CreatorActions & { onOpen: (id: string) => void }} options */
function makeCard({ view: { id, uniqueId } }, options) {
  const name = h('button', { type: 'button', onclick: () => options.onOpen(id) }, `@${uniqueId}`);
  const title = h('p', { class: 'card-title' });
  const stateText = h('span');
  const state = h('span', { class: 'state' }, h('span', { class: 'dot' }), stateText);
  const since = h('span');
  const [viewers, rate, diamonds] = [h('dd'), h('dd'), h('dd')];
  const curve = svg('svg', { class: 'spark', viewBox: '0 0 240 30', preserveAspectRatio: 'none', 'aria-hidden': 'true' });
  const pauseIcon = h('span', { class: 'icon-slot' });
  const pauseText = h('span', { class: 'visually-hidden' });
  const pause = h('button', { class: 'button ghost icon-only', type: 'button', data: { needs: 'creators:write' }, onclick: () => options.onPause(id, pause.dataset.next === 'pause') }, pauseIcon, pauseText);
  const remove = h('button', { class: 'button ghost icon-only', type: 'button', title: 'Remove', data: { needs: 'creators:write' }, onclick: () => options.onRemove(id) }, icon('trash'), h('span', { class: 'visually-hidden' }, `Remove @${uniqueId}`));
  const problemLine = h('span');
  const problem = h('p', { class: 'card-error', hidden: true }, icon('warn'), problemLine);
  /** @param {string} of @param {string} label @param {HTMLElement} value */
  const stat = (of, label, value) => h('div', {}, h('dt', {}, icon(of), label), value);
  const element = h(
    'li',
    { class: 'card' },
    h('div', { class: 'card-head' }, avatar(uniqueId), h('div', { class: 'card-name' }, name, title)),
    h('div', { class: 'card-line' }, state, since, h('div', { class: 'card-actions' }, pause, remove)),
    h('dl', { class: 'stats' }, stat('eye', 'Viewers', viewers), stat('pulse', 'Events/s', rate), stat('gem', 'Diamonds', diamonds)),
    curve,
    problem,
  );
  return { element, name, title, state, stateText, since, viewers, rate, diamonds, curve, pause, pauseIcon, pauseText, problem, problemLine };
}

/** @param {Card} card @param {Monitored} creator @param {number} diamonds of its session */
function updateCard(card, { view, viewers, rate }, diamonds) {
  const state = stateOfCreator(view);
  const live = state === 'live';
  setText(card.name, `@${view.uniqueId}`);
  setText(card.title, aboutCreator(view));
  card.state.dataset.state = state;
  setText(card.stateText, STATE_LABEL[state]);
  setText(card.since, view.queue ? queueText(view.queue) : sinceText(view));
  setText(card.viewers, live ? count(viewers) : '–');
  setText(card.rate, live ? decimal(rate.perSecond()) : '–');
  setText(card.diamonds, live ? count(diamonds) : '–');
  card.element.dataset.quiet = String(!live);
  card.curve.toggleAttribute('hidden', !live);
  if (live) spark(card.curve, rate.series(), 240, 30);
  const next = view.paused ? 'resume' : 'pause';
  if (card.pause.dataset.next !== next) {
    card.pause.dataset.next = next;
    card.pause.title = view.paused ? 'Resume' : 'Pause';
    card.pauseIcon.replaceChildren(icon(view.paused ? 'play' : 'pause'));
    setText(card.pauseText, `${view.paused ? 'Resume' : 'Pause'} @${view.uniqueId}`);
  }
  const problem = live || view.paused ? null : view.lastError;
  card.problem.hidden = !problem;
  if (problem) setText(card.problemLine, problemText(problem, state));
}
