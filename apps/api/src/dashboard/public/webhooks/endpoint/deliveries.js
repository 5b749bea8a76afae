/** Deliveries of one endpoint, newest first. While somebody is in the list it is held still; what is new is offered. */
import { Chips } from '../../elements/chips.js';
import { confirmed } from '../../elements/confirm.js';
import { arrange, dropRows, h, icon, setText, toast } from '../../elements/dom.js';
import { plural } from '../../elements/format.js';
import { Attempts } from './attempts.js';
import { makeRow, updateRow } from './delivery-row.js';

/** @import { Delivery } from '../../api/answers.js' */
/** @import { Call } from '../../api/routes.js' */
/** @import { DeliveryRow } from './delivery-row.js' */

const PAGE = 50;

/** @typedef {'' | 'open' | 'dead' | 'delivered'} StateFilter */
/** @type {[StateFilter, string][]} */
const FILTERS = [
  ['', 'All'],
  ['open', 'Waiting, retrying'],
  ['dead', 'Given up'],
  ['delivered', 'Delivered'],
];

/**
 * What a part of an endpoint's page needs: `id` of the endpoint, and who is told of failures and of changes it made.
 * @typedef {{ api: { call: Call }, id: string, onError: (error: unknown) => void, onChange: () => void }} PartOptions
 */

/** A delivery that is open in the list, with its attempts. @typedef {{ attempts: Attempts, retry: HTMLButtonElement, retryText: HTMLElement, ended: boolean }} Opened */

export class Deliveries {
  /** @type {StateFilter} */
  state = '';
  /** Of the pages up to the one that is shown. @type {(string | undefined)[]} */
  cursors = [undefined];
  /** Of the page behind it. @type {string | null} */
  next = null;
  /** @type {Map<string, DeliveryRow>} */
  rows = new Map();
  /** @type {Map<string, Opened>} */
  opened = new Map();
  list = h('ul', { class: 'deliveries' });
  empty = h('p', { class: 'empty', hidden: true });
  fresh = h('button', { class: 'button wide', type: 'button', hidden: true, onclick: () => void this.show() });
  newer = h('button', { class: 'button', type: 'button', onclick: () => this.turn(-1) }, 'Newer');
  older = h('button', { class: 'button', type: 'button', onclick: () => this.turn(1) }, 'Older');
  pager = h('div', { class: 'pager' }, this.newer, this.older);
  retryAllText = h('span', {}, 'Retry all given up');
  retryAll = h('button', { class: 'button', type: 'button', hidden: true, data: { needs: 'webhooks:write' }, onclick: () => void this.retryDead() }, icon('again'), this.retryAllText);
  chips = new Chips(FILTERS, (state) => this.filter(state));
  element = h(
    'section',
    { class: 'panel', 'aria-labelledby': 'deliveries-title' },
    h('header', { class: 'panel-head' }, h('h2', { id: 'deliveries-title' }, 'Deliveries'), this.retryAll),
    h('div', { class: 'chips', role: 'group', 'aria-label': 'Show deliveries by state' }, ...this.chips.elements),
    this.fresh,
    this.list,
    this.empty,
    this.pager,
  );

  /** @param {PartOptions} options */
  constructor(options) {
    this.options = options;
  }

  /** @param {StateFilter} state */
  filter(state) {
    this.state = state;
    this.cursors = [undefined];
    this.chips.press(state);
    void this.show();
  }

  /** @param {1 | -1} step */
  turn(step) {
    if (step < 0) this.cursors.pop();
    else if (this.next !== null) this.cursors.push(this.next);
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
    const { api, id } = this.options;
    const [cursor, { state }] = [this.cursors.at(-1), this];
    const { data, next } = await api.call('GET /v1/webhooks/{id}/deliveries', { path: { id }, query: { limit: PAGE, cursor, ...(state && { state }) } });
    if (cursor !== this.cursors.at(-1) || state !== this.state) return;
    this.next = next;
    this.newer.disabled = this.cursors.length === 1;
    this.older.disabled = next === null;
    this.pager.hidden = this.cursors.length === 1 && next === null;
    if (this.held) this.hold(data);
    else this.draw(data);
    setText(this.empty, state ? 'None of them.' : 'Nothing was sent yet. A matching event, or a test event, shows here at once.');
    this.empty.hidden = this.rows.size > 0;
    await Promise.all([...this.opened.keys()].map((one) => this.readOpened(one)));
  }

  /** @param {Delivery[]} data */
  draw(data) {
    this.fresh.hidden = true;
    dropRows(this.rows, data.map(({ id }) => id));
    const rows = data.map((delivery) => {
      const { id } = delivery;
      const row = this.rows.get(id) ?? makeRow(id, () => void this.toggle(id));
      this.rows.set(id, row);
      updateRow(row, delivery);
      return row;
    });
    arrange(this.list, rows.map(({ element }) => element));
  }

  /** What is listed gets its new state; what is new is counted. @param {Delivery[]} data */
  hold(data) {
    // Ids sort by the time they were made.
    const newest = [...this.rows.keys()].reduce((a, b) => (a > b ? a : b));
    for (const delivery of data) this.updateListed(delivery);
    const more = data.filter(({ id }) => !this.rows.has(id) && id > newest).length;
    this.fresh.hidden = more === 0;
    setText(this.fresh, `${more === PAGE ? `${PAGE} or more` : more} newer: show`);
  }

  /** The list may show another page by the time an answer comes. @param {Delivery} delivery */
  updateListed(delivery) {
    const row = this.rows.get(delivery.id);
    if (row) updateRow(row, delivery);
  }

  /** Opens a row, or closes it. @param {string} id */
  async toggle(id) {
    const row = this.rows.get(id);
    if (!row) return;
    const open = !this.opened.has(id);
    row.button.setAttribute('aria-expanded', String(open));
    row.body.hidden = !open;
    if (!open) {
      this.opened.delete(id);
      return;
    }
    const attempts = new Attempts();
    const retryText = h('span');
    const retry = h('button', { class: 'button', type: 'button', data: { needs: 'webhooks:write' }, onclick: () => void this.retry(id) }, icon('again'), retryText);
    row.body.replaceChildren(h('div', { class: 'delivery-tools' }, h('span', { class: 'muted small' }, 'webhook-id ', h('code', {}, id)), retry), attempts.element);
    this.opened.set(id, { attempts, retry, retryText, ended: false });
    try {
      await this.readOpened(id);
    } catch (error) {
      this.options.onError(error);
    }
  }

  /** An open row is read again until it has ended: then nothing of it changes any more. @param {string} id of the delivery */
  async readOpened(id) {
    const { api, id: endpoint } = this.options;
    const open = this.opened.get(id);
    if (!open || open.ended) return;
    const path = { id: endpoint, delivery: id };
    const delivery = await api.call('GET /v1/webhooks/{id}/deliveries/{delivery}', { path });
    const { data } = await api.call('GET /v1/webhooks/{id}/deliveries/{delivery}/attempts', { path });
    if (this.opened.get(id) !== open) return;
    this.updateListed(delivery);
    open.attempts.update(data, delivery.eventList);
    open.ended = delivery.state !== 'open' && delivery.state !== 'dead';
    open.retry.hidden = delivery.kind === 'test' || open.ended;
    setText(open.retryText, delivery.state === 'dead' ? 'Retry' : 'Try now');
  }

  /** Opens a delivery that was just made. @param {string} id */
  async reveal(id) {
    if (this.state !== '' || this.cursors.length > 1) this.filter('');
    await this.show();
    await this.toggle(id);
    const row = this.rows.get(id);
    row?.button.focus();
    row?.button.scrollIntoView({ block: 'nearest' });
  }

  /** @param {string} delivery */
  async retry(delivery) {
    const { api, id, onError, onChange } = this.options;
    try {
      this.updateListed(await api.call('POST /v1/webhooks/{id}/deliveries/{delivery}/retry', { path: { id, delivery } }));
      toast('It is tried again.');
      onChange();
    } catch (error) {
      onError(error);
    }
  }

  async retryDead() {
    const { api, id, onError, onChange } = this.options;
    const text = 'Each gets a whole schedule of attempts. They go beside what is delivered now: their order has passed.';
    if (!(await confirmed({ title: 'Retry everything that was given up?', text, yes: 'Retry all', danger: false }))) return;
    try {
      const { retried, more } = await api.call('POST /v1/webhooks/{id}/deliveries/retry', { path: { id } });
      toast(`${plural(retried, 'delivery is', 'deliveries are')} tried again.${more ? ' There are more: do it again.' : ''}`);
      onChange();
      await this.show();
    } catch (error) {
      onError(error);
    }
  }
}
