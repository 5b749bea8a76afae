/** One endpoint: how it is doing, what can be done with it, what was sent. */
import { ApiError } from './client.js';
import { confirmed } from './confirm.js';
import { brief, count, dateOf, duration, h, icon, setText, toast } from './dom.js';
import { Poll } from './poll.js';
import { Deliveries } from './webhook-deliveries.js';
import { field, openDialog, showErrors, showSecret } from './webhook-dialogs.js';
import { openEndpointForm } from './webhook-form.js';
import { Replays } from './webhook-replay.js';
import { backlogText, deadText, failureText, filterText, kindText, lagText, lastFailureText, plural, splitUrl, stateOf, successOf } from './webhook-words.js';

const REFRESH_MS = 2_500;
const FILTER_SHOWN = 12;
const GRACES = [
  [86_400, 'A day'],
  [3_600, 'An hour'],
  [604_800, 'A week'],
  [0, 'None: the old one ends now'],
];
const NUMBERS = ['Behind', 'Retrying', 'Given up', 'Recently delivered', 'Last success', 'Last failure'];
const SETTINGS = ['Sends', 'Gets', 'Answer within', 'Signed with', 'Own headers', 'Added', 'Id'];

export class EndpointPage {
  /** @param {{api: import('./client.js').Api, id: string, target: HTMLElement, creators: () => Map<string, object>, onError: (error: Error) => void, onLoad: (error?: Error) => void}} options */
  constructor(options) {
    this.options = options;
    this.path = `/v1/webhooks/${encodeURIComponent(options.id)}`;
    const parts = { api: options.api, id: encodeURIComponent(options.id), onError: options.onError, onChange: () => void this.poll.now() };
    this.deliveries = new Deliveries(parts);
    this.replays = new Replays(parts);
    this.build();
    options.target.replaceChildren(h('p', { class: 'empty' }, 'Loading the endpoint…'));
    this.poll = new Poll(REFRESH_MS, () => this.load(), options.onLoad);
  }

  stop() {
    this.stopped = true;
    this.poll.stop();
    this.options.target.replaceChildren();
  }

  async load() {
    let endpoint;
    try {
      endpoint = await this.options.api.call('GET', this.path);
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 404 || this.stopped) throw error;
      this.options.target.replaceChildren(
        h('div', { class: 'panel empty' }, h('h3', {}, 'There is no such endpoint'), h('p', {}, 'It was removed, or the address is not whole.'), h('a', { class: 'button', href: '#webhooks' }, 'All endpoints')),
      );
      return;
    }
    if (this.stopped) return;
    this.endpoint = endpoint;
    this.update(endpoint);
    const { target } = this.options;
    if (this.page.parentElement !== target) target.replaceChildren(this.page);
    await Promise.all([this.deliveries.refresh(), this.replays.refresh()]);
  }

  build() {
    const button = (name, label, act, look = '') => h('button', { class: `button ${look}`, type: 'button', data: { needs: 'webhooks:write' }, onclick: () => void this.attempt(act) }, icon(name), label);
    this.host = h('h1', { class: 'hook-title' });
    this.url = h('p', { class: 'hook-url' });
    this.description = h('p', { class: 'muted' });
    this.stateText = h('span');
    this.state = h('span', { class: 'state', role: 'status' }, h('span', { class: 'dot' }), this.stateText);
    this.notice = h('p', { class: 'notice', hidden: true });
    this.pauseButton = button('pause', 'Pause', () => this.pause());
    this.resumeButton = button('play', 'Resume', () => this.resume('deliver'), 'primary');
    this.skipButton = button('skip', 'Resume without backlog', () => this.skip());
    this.testButton = button('send', 'Send test event', () => this.test());
    this.numbers = pairs(NUMBERS, 'detail-grid hook-numbers');
    this.settings = pairs(SETTINGS, 'hook-settings');
    const actions = [
      this.resumeButton,
      this.skipButton,
      this.pauseButton,
      this.testButton,
      button('again', 'Replay', () => this.replays.open()),
      button('key', 'Rotate secret', () => this.askRotate()),
      button('edit', 'Change', () => this.edit()),
      button('trash', 'Delete', () => this.remove(), 'ghost-danger'),
    ];
    const head = h('div', { class: 'hook-heading' }, h('div', { class: 'hook-name' }, this.host, this.state), this.url, this.description);
    this.page = h(
      'div',
      { class: 'hook-page' },
      h('a', { class: 'back', href: '#webhooks' }, icon('back'), 'All endpoints'),
      h('section', { class: 'panel', 'aria-label': 'Endpoint' }, head, h('div', { class: 'actions' }, ...actions), this.notice, this.numbers.element, this.settings.element),
      this.replays.element,
      this.deliveries.element,
    );
  }

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
      'Signed with': endpoint.signatures.map((scheme) => ({ v1: 'v1 (HMAC-SHA256)', v1a: 'v1a (ed25519)' })[scheme] ?? scheme).join(', '),
      'Own headers': Object.keys(endpoint.headers).join(', ') || 'none',
      Added: dateOf(endpoint.createdAt),
      Id: endpoint.id,
    });
    this.deliveries.retryAll.hidden = health.dead === 0;
    setText(this.deliveries.retryAll.lastChild, `Retry ${deadText(health.dead)} given up`);
  }

  /** Does what a button says and looks again; what fails is said in the corner. */
  async attempt(act) {
    try {
      await act();
      await this.poll.now();
    } catch (error) {
      this.options.onError(error);
    }
  }

  post(action, body = {}) {
    return this.options.api.call('POST', `${this.path}/${action}`, body);
  }

  async pause() {
    await this.post('pause');
    toast('Paused. Its backlog is kept.');
    this.resumeButton.hidden = false;
    this.pauseButton.hidden = true;
    this.resumeButton.focus();
  }

  async resume(backlog) {
    await this.post('resume', { backlog });
    toast(backlog === 'skip' ? 'It goes on with what comes from now on.' : 'It goes on where it stopped.');
    this.pauseButton.hidden = false;
    this.resumeButton.hidden = true;
    this.pauseButton.focus();
  }

  async skip() {
    const { events, more } = this.endpoint.backlog;
    const lost = events === null ? 'What waits' : `${plural(events, 'event')}${more ? ' or more' : ''} and what is under way`;
    const text = `${lost} will not be sent. The events stay in the log: a replay sends them later.`;
    if (await confirmed({ title: 'Resume without the backlog?', text, yes: 'Skip and resume', no: 'Cancel' })) await this.resume('skip');
  }

  async test() {
    this.testButton.disabled = true;
    try {
      const { delivery, attempt } = await this.post('test');
      toast(attempt.category ? `The test event did not arrive: ${failureText(attempt.category, attempt.status)}.` : `The test event arrived: ${attempt.status} in ${attempt.latencyMs} ms.`, attempt.category ? 'bad' : 'good');
      await this.deliveries.reveal(delivery);
    } finally {
      this.testButton.disabled = false;
    }
  }

  edit() {
    openEndpointForm({ ...this.options, endpoint: this.endpoint, onDone: () => void this.poll.now() });
  }

  async remove() {
    const text = 'Nothing is sent to it any more, and its deliveries and attempts go with it. To stop for a while, pause it.';
    if (!(await confirmed({ title: `Delete ${splitUrl(this.endpoint.url).host}?`, text, yes: 'Delete' }))) return;
    await this.options.api.call('DELETE', this.path);
    this.poll.stop();
    toast('The endpoint was deleted.');
    location.hash = 'webhooks';
  }

  askRotate() {
    const select = h('select', {}, ...GRACES.map(([seconds, label]) => h('option', { value: String(seconds) }, label)));
    const grace = field({ id: 'rotate-grace', label: 'The old secret signs too for', input: select, hint: 'In this time receivers change over: each request carries both signatures.' });
    const general = h('p', { class: 'field-error', role: 'alert' });
    const rotate = async () => {
      try {
        const { secret, oldUntil } = await this.post('rotate-secret', { graceSeconds: Number(select.value) });
        showSecret({ ...this.options, endpoint: this.endpoint, secret, oldUntil, rotated: true, onDone: () => void this.poll.now() });
      } catch (error) {
        showErrors({ graceSeconds: grace }, general, error);
      }
    };
    const { close } = openDialog({
      title: 'Rotate the secret',
      content: [
        h(
          'form',
          { novalidate: true, onsubmit: (event) => (event.preventDefault(), void rotate()) },
          h('p', { class: 'muted' }, 'A new secret is made and shown once.'),
          grace.element,
          general,
          h('footer', { class: 'dialog-foot' }, h('button', { class: 'button', type: 'button', onclick: () => close() }, 'Cancel'), h('button', { class: 'button primary', type: 'submit' }, icon('key'), 'Make a new secret')),
        ),
      ],
    });
    select.focus();
  }
}

/** A list of names with values that are set by name. */
function pairs(names, look) {
  const values = new Map(names.map((name) => [name, h('dd')]));
  return {
    element: h('dl', { class: look }, ...[...values].map(([name, value]) => h('div', {}, h('dt', {}, name), value))),
    set: (texts) => {
      for (const [name, text] of Object.entries(texts)) setText(values.get(name), text);
    },
  };
}
