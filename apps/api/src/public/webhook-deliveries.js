/** Deliveries of one endpoint, newest first. While somebody is in the list it is held still; what is new is offered. */
import { brief, duration, h, icon, setText, timeOf, dateOf, toast } from './dom.js';
import { Attempts } from './webhook-attempts.js';
import { confirmed } from './confirm.js';
import { contentText, DELIVERY_LABEL, deliveryState, failureText, KIND_LABEL, plural } from './webhook-words.js';

const PAGE = 50;
const DAY_MS = 86_400_000;
const FILTERS = [
  ['', 'All'],
  ['open', 'Waiting, retrying'],
  ['dead', 'Given up'],
  ['delivered', 'Delivered'],
];

export class Deliveries {
  /** @param {{api: import('./client.js').Api, id: string, onError: (error: Error) => void, onChange: () => void}} options */
  constructor(options) {
    this.options = options;
    this.path = `/v1/webhooks/${options.id}/deliveries`;
    this.state = '';
    this.cursors = [''];
    this.rows = new Map();
    this.opened = new Map();
    this.list = h('ul', { class: 'deliveries' });
    this.empty = h('p', { class: 'empty', hidden: true });
    this.fresh = h('button', { class: 'button wide', type: 'button', hidden: true, onclick: () => void this.show() });
    this.newer = h('button', { class: 'button', type: 'button', onclick: () => this.turn(-1) }, 'Newer');
    this.older = h('button', { class: 'button', type: 'button', onclick: () => this.turn(1) }, 'Older');
    this.retryAll = h('button', { class: 'button', type: 'button', hidden: true, data: { needs: 'webhooks:write' }, onclick: () => void this.retryDead() }, icon('again'), 'Retry all given up');
    this.chips = FILTERS.map(([state, label]) => h('button', { class: 'chip', type: 'button', 'aria-pressed': String(state === ''), onclick: () => this.filter(state) }, label));
    this.element = h(
      'section',
      { class: 'panel', 'aria-labelledby': 'deliveries-title' },
      h('header', { class: 'panel-head' }, h('h2', { id: 'deliveries-title' }, 'Deliveries'), this.retryAll),
      h('div', { class: 'chips', role: 'group', 'aria-label': 'Show deliveries by state' }, ...this.chips),
      this.fresh,
      this.list,
      this.empty,
      h('div', { class: 'pager' }, this.newer, this.older),
    );
  }

  filter(state) {
    this.state = state;
    this.cursors = [''];
    this.chips.forEach((chip, i) => chip.setAttribute('aria-pressed', String(FILTERS[i][0] === state)));
    void this.show();
  }

  turn(step) {
    if (step > 0) this.cursors.push(this.next);
    else this.cursors.pop();
    void this.show();
  }

  /** Reads the page from scratch, with nothing open. */
  async show() {
    this.opened.clear();
    this.list.replaceChildren();
    this.rows.clear();
    try {
      await this.refresh();
    } catch (error) {
      this.options.onError(error);
    }
  }

  /** Nothing may move under a pointer, a focus or an open row. */
  get held() {
    return this.rows.size > 0 && (this.opened.size > 0 || this.list.contains(document.activeElement) || this.list.matches(':hover'));
  }

  async refresh() {
    const { api } = this.options;
    const [cursor, { state }] = [this.cursors.at(-1), this];
    const query = `?limit=${PAGE}${state && `&state=${state}`}${cursor && `&cursor=${encodeURIComponent(cursor)}`}`;
    const { data, next } = await api.call('GET', this.path + query);
    if (cursor !== this.cursors.at(-1) || state !== this.state) return;
    this.next = next;
    this.newer.disabled = this.cursors.length === 1;
    this.older.disabled = next === null;
    this.newer.parentElement.hidden = this.cursors.length === 1 && next === null;
    if (this.held) this.hold(data);
    else this.draw(data);
    setText(this.empty, state ? 'None of them.' : 'Nothing was sent yet. A matching event, or a test event, shows here at once.');
    this.empty.hidden = this.rows.size > 0;
    await Promise.all([...this.opened.keys()].map((id) => this.readOpened(id)));
  }

  draw(data) {
    this.fresh.hidden = true;
    const kept = new Set(data.map(({ id }) => id));
    for (const [id, row] of this.rows) {
      if (kept.has(id)) continue;
      row.element.remove();
      this.rows.delete(id);
    }
    data.forEach((delivery, i) => {
      const row = this.rows.get(delivery.id) ?? this.makeRow(delivery.id);
      this.rows.set(delivery.id, row);
      if (this.list.children[i] !== row.element) this.list.insertBefore(row.element, this.list.children[i] ?? null);
      update(row, delivery);
    });
  }

  /** What is listed gets its new state; what is new is counted. */
  hold(data) {
    // Ids sort by the time they were made.
    const newest = [...this.rows.keys()].reduce((a, b) => (a > b ? a : b));
    for (const delivery of data) if (this.rows.has(delivery.id)) update(this.rows.get(delivery.id), delivery);
    const more = data.filter(({ id }) => !this.rows.has(id) && id > newest).length;
    this.fresh.hidden = more === 0;
    setText(this.fresh, `${more === PAGE ? `${PAGE} or more` : more} newer: show`);
  }

  makeRow(id) {
    const part = { id, when: h('time'), what: h('span', { class: 'delivery-what' }), stateText: h('span'), result: h('span', { class: 'delivery-result' }), next: h('span', { class: 'delivery-next' }) };
    part.state = h('span', { class: 'state' }, part.stateText);
    part.body = h('div', { class: 'delivery-body', id: `body-${id}`, hidden: true });
    part.button = h('button', { class: 'delivery-head', type: 'button', 'aria-expanded': 'false', 'aria-controls': `body-${id}`, onclick: () => void this.toggle(id) }, icon('next'), part.when, part.state, part.what, part.result, part.next);
    part.element = h('li', { class: 'delivery' }, part.button, part.body);
    return part;
  }

  async toggle(id) {
    const row = this.rows.get(id);
    const open = !this.opened.has(id);
    row.button.setAttribute('aria-expanded', String(open));
    row.body.hidden = !open;
    if (!open) {
      this.opened.delete(id);
      return;
    }
    const attempts = new Attempts();
    const retry = h('button', { class: 'button', type: 'button', data: { needs: 'webhooks:write' }, onclick: () => void this.retry(id) }, icon('again'), h('span'));
    row.body.replaceChildren(h('div', { class: 'delivery-tools' }, h('span', { class: 'muted small' }, 'webhook-id ', h('code', {}, id)), retry), attempts.element);
    this.opened.set(id, { attempts, retry });
    try {
      await this.readOpened(id);
    } catch (error) {
      this.options.onError(error);
    }
  }

  /** An open row is read again until it has ended: then nothing of it changes any more. */
  async readOpened(id) {
    const open = this.opened.get(id);
    if (!open || open.ended) return;
    const path = `${this.path}/${id}`;
    const delivery = await this.options.api.call('GET', path);
    const { data } = await this.options.api.call('GET', `${path}/attempts`);
    if (this.opened.get(id) !== open) return;
    const row = this.rows.get(id);
    if (row) update(row, delivery);
    open.attempts.update(data, delivery.eventList);
    open.retry.hidden = delivery.kind === 'test' || (delivery.state !== 'open' && delivery.state !== 'dead');
    setText(open.retry.lastChild, delivery.state === 'dead' ? 'Retry' : 'Try now');
    open.ended = delivery.state !== 'open' && delivery.state !== 'dead';
  }

  /** Opens a delivery that was just made. */
  async reveal(id) {
    if (this.state !== '' || this.cursors.length > 1) this.filter('');
    await this.show();
    if (!this.rows.has(id)) return;
    await this.toggle(id);
    const { button } = this.rows.get(id);
    button.focus();
    button.scrollIntoView({ block: 'nearest' });
  }

  async retry(id) {
    try {
      const delivery = await this.options.api.call('POST', `${this.path}/${id}/retry`);
      update(this.rows.get(id), delivery);
      toast('It is tried again.');
      this.options.onChange();
    } catch (error) {
      this.options.onError(error);
    }
  }

  async retryDead() {
    const text = 'Each gets a whole schedule of attempts. They go beside what is delivered now: their order has passed.';
    if (!(await confirmed({ title: 'Retry everything that was given up?', text, yes: 'Retry all', danger: false }))) return;
    try {
      const { retried, more } = await this.options.api.call('POST', `${this.path}/retry`, {});
      toast(`${plural(retried, 'delivery is', 'deliveries are')} tried again.${more ? ' There are more: do it again.' : ''}`);
      this.options.onChange();
      await this.show();
    } catch (error) {
      this.options.onError(error);
    }
  }
}

function update(row, delivery) {
  const { createdAt, events, types, creators, kind, attempts, lastStatus, lastCategory, lastLatencyMs, nextAttemptAt } = delivery;
  const state = deliveryState(delivery);
  row.when.dateTime = createdAt;
  setText(row.when, Date.now() - Date.parse(createdAt) < DAY_MS ? timeOf(createdAt) : dateOf(createdAt));
  row.state.dataset.state = state;
  setText(row.stateText, DELIVERY_LABEL[state] ?? state);
  setText(row.what, [contentText({ events, types, creators }), KIND_LABEL[kind] ?? kind].filter(Boolean).join(', '));
  const tries = attempts > 1 ? `${attempts} attempts` : '';
  const result = lastCategory ? failureText(lastCategory, lastStatus) : lastStatus ? `${lastStatus} in ${duration(lastLatencyMs)}` : '';
  setText(row.result, [result, tries].filter(Boolean).join(', '));
  const wait = nextAttemptAt && state === 'retrying' ? Date.parse(nextAttemptAt) - Date.now() : undefined;
  setText(row.next, wait === undefined ? '' : wait > 0 ? `next attempt in ${brief(wait)}, ${timeOf(nextAttemptAt)}` : 'next attempt is due');
}
