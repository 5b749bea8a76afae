/** Webhooks: the list of endpoints, and the way from it to one of them. */
import { ApiError } from '../api/client.js';
import { readPages } from '../api/past.js';
import { Poll } from '../api/poll.js';
import { Chips } from '../elements/chips.js';
import { byId, dropRows, h, icon, setText } from '../elements/dom.js';
import { openEndpointForm } from './form.js';
import { EndpointPage } from './endpoint/page.js';
import { deadText, filterText, groupOf, kindText, lagText, lastFailureText, splitUrl, stateOf, successOf } from './words.js';

/** @import { Endpoint } from '../api/answers.js' */
/** @import { Call } from '../api/routes.js' */
/** @import { Monitored } from '../creators/model.js' */
/** @import { EndpointGroup, EndpointKey } from './words.js' */

const LIST_MS = 3_000;
const ENDPOINTS_MAX = 5_000;
const PAGE = 50;
/** @type {[EndpointGroup | 'all', string][]} */
const GROUPS = [
  ['all', 'All'],
  ['enabled', 'Enabled'],
  ['trouble', 'Trouble'],
  ['paused', 'Paused'],
  ['disabled', 'Disabled'],
];
/** Those that need somebody come first. @type {Record<EndpointKey, number>} */
const WEIGHT = { disabled: 0, failing: 1, resting: 2, retrying: 3, paused: 4, enabled: 5 };

export class Webhooks {
  /** By id. @type {Map<string, EndpointRow>} */
  rows = new Map();
  /** @type {Endpoint[]} */
  endpoints = [];
  /** Whether the list was read. */
  ready = false;
  visible = false;
  /** The endpoint that is shown; empty for the list. */
  shown = '';
  /** The endpoint that was left for the list. */
  cameFrom = '';
  search = '';
  /** @type {EndpointGroup | 'all'} */
  group = 'all';
  limit = PAGE;
  /** Of the list. @type {Poll | undefined} */
  poll;
  /** @type {EndpointPage | undefined} */
  page;

  /**
   * @param {{
   *   api: { call: Call },
   *   creators: () => Map<string, Monitored>,
   *   onError: (error: unknown) => void,
   *   onLoad: (name: string, failure?: unknown) => void,
   * }} options `onLoad` is told of every refresh, `onError` of what somebody asked for and did not get
   */
  constructor(options) {
    this.options = options;
    this.chips = new Chips(GROUPS, (group) => {
      this.group = group;
      this.render();
    });
    byId('hook-filter').replaceChildren(...this.chips.elements);
    const search = byId('hook-search');
    search.addEventListener('input', () => {
      this.search = search.value.trim().toLowerCase();
      this.render();
    });
    byId('hook-add').addEventListener('click', () => this.add());
    byId('hook-add-first').addEventListener('click', () => this.add());
    byId('hooks-more').addEventListener('click', () => {
      this.limit += PAGE;
      this.render();
    });
  }

  /** Shows the list, or one endpoint. @param {string} id of the endpoint; empty for the list */
  show(id) {
    if (this.shown === id && this.visible) return;
    // Back from an endpoint the list goes on where it was left.
    this.cameFrom = this.visible ? this.shown : '';
    this.leave();
    this.visible = true;
    this.shown = id;
    byId('hooks-panel').hidden = id !== '';
    byId('hook-page').hidden = id === '';
    if (id === '') this.poll = new Poll(LIST_MS, () => this.load(), (failure) => this.loaded(failure));
    else {
      this.page = new EndpointPage({ ...this.options, id, target: byId('hook-page'), onLoad: (failure) => this.loaded(failure) });
      byId('hook-page').focus();
    }
  }

  /** Ends all requests. */
  leave() {
    this.poll?.stop();
    this.page?.stop();
    this.poll = this.page = undefined;
    this.visible = false;
    this.options.onLoad('webhooks');
  }

  /** Something has changed: look at once. */
  hurry() {
    void (this.page?.poll ?? this.poll)?.now();
  }

  async load() {
    const list = await readPages(ENDPOINTS_MAX, (cursor) => this.options.api.call('GET /v1/webhooks', { query: { limit: 1000, cursor } }));
    if (!this.visible) return;
    this.endpoints = list;
    this.ready = true;
    this.render();
    this.rows.get(this.cameFrom)?.link.focus();
    this.cameFrom = '';
  }

  /** What stands in the way is shown in place of the list; what passes by itself is shown in the banner. @param {unknown} failure */
  loaded(failure) {
    const off = failure instanceof ApiError && failure.problem?.setting === 'WEBHOOK_SECRET_KEY';
    const refused = failure instanceof ApiError && failure.status === 403;
    byId('hooks-off').hidden = !off;
    byId('hooks-refused').hidden = !refused;
    if (off || refused) {
      byId('hooks-panel').hidden = true;
      byId('hook-page').hidden = true;
    } else if (!failure) {
      byId('hooks-panel').hidden = this.shown !== '';
      byId('hook-page').hidden = this.shown === '';
    }
    this.options.onLoad('webhooks', off || refused ? undefined : failure);
  }

  add() {
    openEndpointForm({
      ...this.options,
      onDone: () => this.hurry(),
      onOpen: (id) => (location.hash = `webhooks/${id}`),
    });
  }

  /** @param {Endpoint} endpoint */
  matches(endpoint) {
    if (this.group !== 'all' && groupOf(endpoint) !== this.group) return false;
    return !this.search || `${endpoint.url} ${endpoint.description} ${endpoint.id}`.toLowerCase().includes(this.search);
  }

  render() {
    const { endpoints } = this;
    const none = endpoints.length === 0;
    this.chips.setCounts((group) => (group === 'all' ? endpoints : endpoints.filter((one) => groupOf(one) === group)).length);
    byId('hook-tools').hidden = none;
    byId('hook-add').hidden = this.ready && none;
    byId('hook-filter').hidden = none;
    const shown = endpoints
      .filter((endpoint) => this.matches(endpoint))
      .sort((a, b) => WEIGHT[stateOf(a).key] - WEIGHT[stateOf(b).key] || (a.id < b.id ? 1 : -1));
    this.renderRows(shown.slice(0, this.limit));
    byId('hooks-more').hidden = shown.length <= this.limit;
    byId('hooks-empty').hidden = !this.ready || !none;
    byId('hooks-none').hidden = none || shown.length > 0;
  }

  /** @param {Endpoint[]} endpoints in their order */
  renderRows(endpoints) {
    dropRows(this.rows, endpoints.map(({ id }) => id));
    const list = byId('hooks');
    // Moving an element takes the focus from it: while somebody is in the list it keeps its order.
    const still = list.contains(document.activeElement);
    endpoints.forEach((endpoint, i) => {
      const known = this.rows.get(endpoint.id);
      const row = known ?? makeRow(endpoint);
      this.rows.set(endpoint.id, row);
      if (!known || (!still && list.children[i] !== row.element)) list.insertBefore(row.element, list.children[i] ?? null);
      updateRow(row, endpoint, this.options.creators());
    });
  }
}

/** @typedef {ReturnType<typeof makeRow>} EndpointRow */

/** @param {Endpoint} endpoint */
function makeRow({ id }) {
  const [host, rest] = [h('strong', { class: 'hook-host' }), h('span', { class: 'hook-rest' })];
  const link = h('a', { class: 'hook-link', href: `#webhooks/${id}` }, host, rest);
  const description = h('p', { class: 'hook-description' });
  const stateText = h('span');
  const state = h('span', { class: 'state' }, h('span', { class: 'dot' }), stateText);
  const note = h('p', { class: 'hook-note' });
  const [kind, filter] = [h('p', { class: 'hook-kind' }), h('p', { class: 'hook-filter' })];
  const [lag, success, failure] = [h('dd'), h('dd'), h('dd')];
  /** @param {string} label @param {HTMLElement} value */
  const fact = (label, value) => h('div', {}, h('dt', {}, label), value);
  const element = h(
    'li',
    { class: 'hook' },
    h('div', { class: 'hook-who' }, link, description),
    h('div', { class: 'hook-state' }, state, note),
    h('div', { class: 'hook-what' }, kind, filter),
    h('dl', { class: 'hook-facts' }, fact('Behind', lag), fact('Recent', success), fact('Last failure', failure)),
    icon('next'),
  );
  return { element, link, host, rest, description, state, stateText, note, kind, filter, lag, success, failure };
}

/** @param {EndpointRow} row @param {Endpoint} endpoint @param {Map<string, Monitored>} creators by id */
function updateRow(row, endpoint, creators) {
  const state = stateOf(endpoint);
  const { host, rest } = splitUrl(endpoint.url);
  setText(row.host, host);
  setText(row.rest, rest);
  row.link.title = endpoint.url;
  setText(row.description, endpoint.description);
  row.state.dataset.state = state.key;
  setText(row.stateText, state.label);
  setText(row.note, state.note);
  setText(row.kind, kindText(endpoint));
  setText(row.filter, filterText(endpoint, creators));
  setText(row.lag, lagText(endpoint.lag));
  const success = successOf(endpoint.health);
  setText(row.success, success ? `${success.text} delivered${endpoint.health.dead ? `, ${deadText(endpoint.health.dead)} given up` : ''}` : 'nothing sent yet');
  row.success.dataset.tone = !success || success.share === 1 ? '' : success.share < 0.5 ? 'bad' : 'warn';
  setText(row.failure, lastFailureText(endpoint.health));
}
