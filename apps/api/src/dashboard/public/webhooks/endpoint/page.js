/** One endpoint: how it is doing, what can be done with it, what was sent. */
import { ApiError } from '../../api/client.js';
import { Poll } from '../../api/poll.js';
import { confirmed } from '../../elements/confirm.js';
import { h, icon, setText, toast } from '../../elements/dom.js';
import { brief, count, dateOf, duration, plural } from '../../elements/format.js';
import { Deliveries } from './deliveries.js';
import { field, formDialog, showErrors } from '../dialogs.js';
import { openEndpointForm } from '../form.js';
import { Replays } from './replays.js';
import { showSecret, testText } from '../secret.js';
import { backlogText, deadText, filterText, kindText, lagText, lastFailureText, splitUrl, stateOf, successOf } from '../words.js';

/** @import { EndpointDetail } from '../../api/answers.js' */
/** @import { Call } from '../../api/routes.js' */
/** @import { Monitored } from '../../creators/model.js' */

const REFRESH_MS = 2_500;
const FILTER_SHOWN = 12;
/** @type {[seconds: number, label: string][]} */
const GRACES = [
  [86_400, 'A day'],
  [3_600, 'An hour'],
  [604_800, 'A week'],
  [0, 'None: the old one ends now'],
];
const NUMBERS = /** @type {const} */ (['Behind', 'Retrying', 'Given up', 'Recently delivered', 'Last success', 'Last failure']);
const SETTINGS = /** @type {const} */ (['Sends', 'Gets', 'Answer within', 'Signed with', 'Own headers', 'Added', 'Id']);
const SCHEME_TEXT = { v1: 'v1 (HMAC-SHA256)', v1a: 'v1a (ed25519)' };

export class EndpointPage {
  /** As it was read last. @type {EndpointDetail | undefined} */
  endpoint;
  stopped = false;
  host = h('h1', { class: 'hook-title' });
  url = h('p', { class: 'hook-url' });
  description = h('p', { class: 'muted' });
  stateText = h('span');
  state = h('span', { class: 'state', role: 'status' }, h('span', { class: 'dot' }), this.stateText);
  notice = h('p', { class: 'notice', hidden: true });
  numbers = pairs(NUMBERS, 'detail-grid hook-numbers');
  settings = pairs(SETTINGS, 'hook-settings');
  pauseButton = this.button('pause', 'Pause', () => this.pause());
  resumeButton = this.button('play', 'Resume', () => this.resume('deliver'), 'primary');
  skipButton = this.button('skip', 'Resume without backlog', (endpoint) => this.skip(endpoint));
  testButton = this.button('send', 'Send test event', () => this.test());

  /**
   * @param {{
   *   api: { call: Call },
   *   id: string,
   *   target: HTMLElement,
   *   creators: () => Map<string, Monitored>,
   *   onError: (error: unknown) => void,
   *   onLoad: (failure?: unknown) => void,
   * }} options
   */
  constructor(options) {
    this.options = options;
    this.path = { id: options.id };
    const parts = { api: options.api, id: options.id, onError: options.onError, onChange: () => void this.poll.now() };
    this.deliveries = new Deliveries(parts);
    this.replays = new Replays(parts);
    this.element = this.layout();
    options.target.replaceChildren(h('p', { class: 'empty' }, 'Loading the endpoint…'));
    this.poll = new Poll(REFRESH_MS, () => this.load(), options.onLoad);
  }

  stop() {
    this.stopped = true;
    this.poll.stop();
    this.options.target.replaceChildren();
  }

  async load() {
    const { api, target } = this.options;
    let endpoint;
    try {
      endpoint = await api.call('GET /v1/webhooks/{id}', { path: this.path });
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 404 || this.stopped) throw error;
      target.replaceChildren(
        h('div', { class: 'panel empty' }, h('h3', {}, 'There is no such endpoint'), h('p', {}, 'It was removed, or the address is not whole.'), h('a', { class: 'button', href: '#webhooks' }, 'All endpoints')),
      );
      return;
    }
    if (this.stopped) return;
    this.endpoint = endpoint;
    this.update(endpoint);
    if (this.element.parentElement !== target) target.replaceChildren(this.element);
    await Promise.all([this.deliveries.refresh(), this.replays.refresh()]);
  }

  /**
   * A button that does something with the endpoint, and looks again.
   * @param {string} name of its icon
   * @param {string} label
   * @param {(endpoint: EndpointDetail) => unknown} act
   */
  button(name, label, act, look = '') {
    return h('button', { class: `button ${look}`, type: 'button', data: { needs: 'webhooks:write' }, onclick: () => void this.attempt(act) }, icon(name), label);
  }

  layout() {
    const actions = [
      this.resumeButton,
      this.skipButton,
      this.pauseButton,
      this.testButton,
      this.button('again', 'Replay', () => this.replays.open()),
      this.button('key', 'Rotate secret', (endpoint) => this.askRotate(endpoint)),
      this.button('edit', 'Change', (endpoint) => openEndpointForm({ ...this.options, endpoint, onDone: () => void this.poll.now() })),
      this.button('trash', 'Delete', (endpoint) => this.remove(endpoint), 'ghost-danger'),
    ];
    const head = h('div', { class: 'hook-heading' }, h('div', { class: 'hook-name' }, this.host, this.state), this.url, this.description);
    return h(
      'div',
      { class: 'hook-page' },
      h('a', { class: 'back', href: '#webhooks' }, icon('back'), 'All endpoints'),
      h('section', { class: 'panel', 'aria-label': 'Endpoint' }, head, h('div', { class: 'actions' }, ...actions), this.notice, this.numbers.element, this.settings.element),
      this.replays.element,
      this.deliveries.element,
    );
  }

  /** @param {EndpointDetail} endpoint */
  update(endpoint) {
    const { health, lag, backlog } = endpoint;
    const state = stateOf(endpoint);
    setText(this.host, splitUrl(endpoint.url).host);
    setText(this.url, endpoint.url);
    setText(this.description, endpoint.description);
    this.description.hidden = endpoint.description === '';
    this.state.dataset.state = state.key;
    setText(this.stateText, state.label);
    this.pauseButton.hidden = endpoint.state !== 'enabled';
    this.resumeButton.hidden = endpoint.state === 'enabled';
    const waits = backlog.oldestAt !== null;
    this.skipButton.hidden = endpoint.state === 'enabled' || !waits;
    // Of an endpoint that gets something through the backlog is gone before it can be read.
    const stuck = state.key === 'paused' || state.key === 'disabled' || state.key === 'failing';
    const notice = [state.note, stuck && waits ? backlogText(backlog) : ''].filter(Boolean).join(' ');
    setText(this.notice, notice);
    this.notice.hidden = notice === '';
    this.notice.dataset.tone = state.key === 'disabled' || state.key === 'failing' ? 'bad' : 'warn';
    const success = successOf(health);
    /** @param {string | null} at */
    const ago = (at) => (at ? `${brief(Math.max(0, Date.now() - Date.parse(at)))} ago` : 'never');
    this.numbers.set({
      Behind: lagText(lag),
      Retrying: count(lag.retrying),
      'Given up': deadText(health.dead),
      'Recently delivered': success ? success.text : 'nothing yet',
      'Last success': ago(health.lastSuccessAt),
      'Last failure': lastFailureText(health),
    });
    this.settings.set({
      Sends: kindText(endpoint),
      Gets: filterText(endpoint, this.options.creators(), FILTER_SHOWN),
      'Answer within': duration(endpoint.timeoutMs),
      'Signed with': endpoint.signatures.map((scheme) => SCHEME_TEXT[scheme] ?? scheme).join(', '),
      'Own headers': Object.keys(endpoint.headers).join(', ') || 'none',
      Added: dateOf(endpoint.createdAt),
      Id: endpoint.id,
    });
    this.deliveries.retryAll.hidden = health.dead === 0;
    setText(this.deliveries.retryAllText, `Retry ${deadText(health.dead)} given up`);
  }

  /** Does what a button is for and looks again; what fails is shown in the corner. @param {(endpoint: EndpointDetail) => unknown} act */
  async attempt(act) {
    if (!this.endpoint) return;
    try {
      await act(this.endpoint);
      await this.poll.now();
    } catch (error) {
      this.options.onError(error);
    }
  }

  async pause() {
    await this.options.api.call('POST /v1/webhooks/{id}/pause', { path: this.path });
    toast('Paused. Its backlog is kept.');
    this.resumeButton.hidden = false;
    this.pauseButton.hidden = true;
    this.resumeButton.focus();
  }

  /** @param {'deliver' | 'skip'} backlog what becomes of it */
  async resume(backlog) {
    await this.options.api.call('POST /v1/webhooks/{id}/resume', { path: this.path, body: { backlog } });
    toast(backlog === 'skip' ? 'It goes on with what comes from now on.' : 'It goes on where it stopped.');
    this.pauseButton.hidden = false;
    this.resumeButton.hidden = true;
    this.pauseButton.focus();
  }

  /** @param {EndpointDetail} endpoint */
  async skip({ backlog: { events, more } }) {
    const lost = events === null ? 'What waits' : `${plural(events, 'event')}${more ? ' or more' : ''} and what is under way`;
    const text = `${lost} will not be sent. The events stay in the log: a replay sends them later.`;
    if (await confirmed({ title: 'Resume without the backlog?', text, yes: 'Skip and resume', no: 'Cancel' })) await this.resume('skip');
  }

  async test() {
    this.testButton.disabled = true;
    try {
      const { delivery, attempt } = await this.options.api.call('POST /v1/webhooks/{id}/test', { path: this.path });
      toast(testText(attempt, 'The test event'), attempt.category ? 'bad' : 'good');
      await this.deliveries.reveal(delivery);
    } finally {
      this.testButton.disabled = false;
    }
  }

  /** @param {EndpointDetail} endpoint */
  async remove({ url }) {
    const text = 'Nothing is sent to it any more, and its deliveries and attempts go with it. To stop for a while, pause it.';
    if (!(await confirmed({ title: `Delete ${splitUrl(url).host}?`, text, yes: 'Delete' }))) return;
    await this.options.api.call('DELETE /v1/webhooks/{id}', { path: this.path });
    this.poll.stop();
    toast('The endpoint was deleted.');
    location.hash = 'webhooks';
  }

  /** @param {EndpointDetail} endpoint */
  askRotate(endpoint) {
    const { api } = this.options;
    const select = h('select', {}, ...GRACES.map(([seconds, label]) => h('option', { value: seconds }, label)));
    const grace = field({ id: 'rotate-grace', label: 'The old secret signs too for', input: select, hint: 'In this time receivers change over: each request carries both signatures.' });
    const { general } = formDialog({
      title: 'Rotate the secret',
      submit: h('button', { class: 'button primary', type: 'submit' }, icon('key'), 'Make a new secret'),
      content: [h('p', { class: 'muted' }, 'A new secret is made and shown once.'), grace.element],
      onSubmit: async () => {
        try {
          const { secret, oldUntil } = await api.call('POST /v1/webhooks/{id}/rotate-secret', { path: this.path, body: { graceSeconds: Number(select.value) } });
          showSecret({ ...this.options, endpoint, secret, oldUntil, rotated: true, onDone: () => void this.poll.now() });
        } catch (error) {
          showErrors({ graceSeconds: grace }, general, error);
        }
      },
    });
    select.focus();
  }
}

/**
 * A list of names with values that are set by name.
 * @template {string} Name
 * @param {readonly Name[]} names
 * @param {string} look
 */
function pairs(names, look) {
  const values = names.map((name) => ({ name, value: h('dd') }));
  return {
    element: h('dl', { class: look }, ...values.map(({ name, value }) => h('div', {}, h('dt', {}, name), value))),
    /** @param {Record<Name, string>} texts */
    set: (texts) => {
      for (const { name, value } of values) setText(value, texts[name]);
    },
  };
}
