/** Webhooks: the list of endpoints, and the way from it to one of them. */
import { ApiError } from './client.js';
import { byId, h, icon, setText } from './dom.js';
import { Poll } from './poll.js';
import { EndpointPage } from './webhook-detail.js';
import { openEndpointForm } from './webhook-form.js';
import { deadText, filterText, groupOf, kindText, lagText, lastFailureText, splitUrl, stateOf, successOf } from './webhook-words.js';

const LIST_MS = 3_000;
const ENDPOINTS_MAX = 5_000;
const PAGE = 50;
const GROUPS = [
  ['all', 'All'],
  ['enabled', 'Enabled'],
  ['trouble', 'Trouble'],
  ['paused', 'Paused'],
  ['disabled', 'Disabled'],
];
/** Those that need somebody come first. */
const WEIGHT = { disabled: 0, failing: 1, resting: 2, retrying: 3, paused: 4, enabled: 5 };

export class Webhooks {
  /**
   * @param {{api: import('./client.js').Api, creators: () => Map<string, object>, onError: (error: Error) => void, onLoad: (name: string, error?: Error) => void}} options
   *   `onLoad` is told of every refresh, `onError` of what somebody asked for and did not get
   */
  constructor(options) {
    this.options = options;
    this.rows = new Map();
    this.endpoints = [];
    this.search = '';
    this.group = 'all';
    this.limit = PAGE;
    this.chips = new Map(GROUPS.map(([group, label]) => [group, this.makeChip(group, label)]));
    byId('hook-filter').replaceChildren(...this.chips.values());
    byId('hook-search').addEventListener('input', ({ target }) => {
      this.search = target.value.trim().toLowerCase();
      this.render();
    });
    byId('hook-add').addEventListener('click', () => this.add());
    byId('hook-add-first').addEventListener('click', () => this.add());
    byId('hooks-more').addEventListener('click', () => {
      this.limit += PAGE;
      this.render();
    });
  }

  /** Shows the list, or one endpoint; undefined hides everything and stops all requests. */
  show(id) {
    if (this.shown === id && this.visible) return;
    // Back from an endpoint the list goes on where it was left.
    this.cameFrom = this.visible ? this.shown : '';
    this.leave();
    this.visible = true;
    this.shown = id;
    byId('hooks-panel').hidden = id !== '';
    byId('hook-page').hidden = id === '';
    if (id === '') this.poll = new Poll(LIST_MS, () => this.load(), (error) => this.loaded(error));
    else {
      this.page = new EndpointPage({ ...this.options, id, target: byId('hook-page'), onLoad: (error) => this.loaded(error) });
      byId('hook-page').focus();
    }
  }

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
    const list = [];
    for (let cursor = ''; list.length < ENDPOINTS_MAX;) {
      const page = await this.options.api.call('GET', `/v1/webhooks?limit=1000${cursor && `&cursor=${cursor}`}`);
      list.push(...page.data);
      if (page.next === null) break;
      cursor = page.next;
    }
    if (!this.visible) return;
    this.endpoints = list;
    this.ready = true;
    this.render();
    this.rows.get(this.cameFrom)?.link.focus();
    this.cameFrom = '';
  }

  /** What stands in the way is said in place of the list; what passes by itself is said in the banner. */
  loaded(error) {
    const off = error instanceof ApiError && error.problem?.setting === 'WEBHOOK_SECRET_KEY';
    const refused = error instanceof ApiError && error.status === 403;
    byId('hooks-off').hidden = !off;
    byId('hooks-refused').hidden = !refused;
    if (off || refused) {
      byId('hooks-panel').hidden = true;
      byId('hook-page').hidden = true;
    } else if (!error) {
      byId('hooks-panel').hidden = this.shown !== '';
      byId('hook-page').hidden = this.shown === '';
    }
    this.options.onLoad('webhooks', off || refused ? undefined : error);
  }

  add() {
    openEndpointForm({
      ...this.options,
      onDone: () => this.hurry(),
      onOpen: (id) => (location.hash = `webhooks/${id}`),
    });
  }

  makeChip(group, label) {
    const choose = () => {
      this.group = group;
      for (const [name, chip] of this.chips) chip.setAttribute('aria-pressed', String(name === group));
      this.render();
    };
    return h('button', { class: 'chip', type: 'button', 'aria-pressed': String(group === 'all'), onclick: choose }, label, h('span', {}, ''));
  }

  matches(endpoint) {
    if (this.group !== 'all' && groupOf(endpoint) !== this.group) return false;
    return !this.search || `${endpoint.url} ${endpoint.description} ${endpoint.id}`.toLowerCase().includes(this.search);
  }

  render() {
    const { endpoints } = this;
    for (const [group, chip] of this.chips) {
      setText(chip.lastChild, String(group === 'all' ? endpoints.length : endpoints.filter((one) => groupOf(one) === group).length));
    }
    byId('hook-tools').hidden = endpoints.length === 0;
    byId('hook-add').hidden = this.ready && endpoints.length === 0;
    byId('hook-filter').hidden = endpoints.length === 0;
    const shown = endpoints
      .filter((endpoint) => this.matches(endpoint))
      .sort((a, b) => WEIGHT[stateOf(a).key] - WEIGHT[stateOf(b).key] || (a.id < b.id ? 1 : -1));
    const visible = shown.slice(0, this.limit);
    const kept = new Set(visible.map(({ id }) => id));
    for (const [id, row] of this.rows) {
      if (kept.has(id)) continue;
      row.element.remove();
      this.rows.delete(id);
    }
    const list = byId('hooks');
    // Moving an element takes the focus from it: while somebody is in the list it keeps its order.
    const still = list.contains(document.activeElement);
    visible.forEach((endpoint, i) => {
      const known = this.rows.get(endpoint.id);
      const row = known ?? makeRow(endpoint);
      this.rows.set(endpoint.id, row);
      if (!known || (!still && list.children[i] !== row.element)) list.insertBefore(row.element, list.children[i] ?? null);
      updateRow(row, endpoint, this.options.creators());
    });
    byId('hooks-more').hidden = shown.length <= this.limit;
    byId('hooks-empty').hidden = !this.ready || endpoints.length > 0;
    byId('hooks-none').hidden = endpoints.length === 0 || shown.length > 0;
  }
}

function makeRow({ id }) {
  const part = {
    host: h('strong', { class: 'hook-host' }),
    rest: h('span', { class: 'hook-rest' }),
    description: h('p', { class: 'hook-description' }),
    stateText: h('span'),
    note: h('p', { class: 'hook-note' }),
    kind: h('p', { class: 'hook-kind' }),
    filter: h('p', { class: 'hook-filter' }),
    lag: h('dd'),
    success: h('dd'),
    failure: h('dd'),
  };
  part.state = h('span', { class: 'state' }, h('span', { class: 'dot' }), part.stateText);
  part.link = h('a', { class: 'hook-link', href: `#webhooks/${id}` }, part.host, part.rest);
  const fact = (label, value) => h('div', {}, h('dt', {}, label), value);
  part.element = h(
    'li',
    { class: 'hook' },
    h('div', { class: 'hook-who' }, part.link, part.description),
    h('div', { class: 'hook-state' }, part.state, part.note),
    h('div', { class: 'hook-what' }, part.kind, part.filter),
    h('dl', { class: 'hook-facts' }, fact('Behind', part.lag), fact('Recent', part.success), fact('Last failure', part.failure)),
    icon('next'),
  );
  return part;
}

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
