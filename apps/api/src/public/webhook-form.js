/** The form of an endpoint: to add one, and to change one. */
import { h, setText, toast } from './dom.js';
import { Tokens } from './tokens.js';
import { field, openDialog, showErrors, showSecret } from './webhook-dialogs.js';

/** Offered while typing; every type of the catalog and every pattern may be typed. */
export const SUGGESTED_TYPES = [
  'tiktok.live.*',
  'tiktok.live.chat',
  'tiktok.live.gift',
  'tiktok.live.like',
  'tiktok.live.follow',
  'tiktok.live.share',
  'tiktok.live.member',
  'tiktok.live.subscribe',
  'tiktok.live.roomUser',
  'tiktok.live.question',
  'tiktok.live.linkMicBattle',
  'tiktok.live.streamEnd',
  'monitor.*',
  'monitor.live',
  'monitor.offline',
  'monitor.unwatched',
  'monitor.gap',
  'monitor.error',
  'monitor.webhook',
];
const SUGGESTED_CREATORS_MAX = 1_000;

/**
 * Opens the form: without `endpoint` it adds one.
 * @param {{api: import('./client.js').Api, creators: () => Map<string, object>, endpoint?: object, onDone: () => void, onOpen?: (id: string) => void, onError: (error: Error) => void}} options
 */
export function openEndpointForm(options) {
  const { endpoint } = options;
  const form = new EndpointForm(options.creators(), endpoint);
  const general = h('p', { class: 'field-error', role: 'alert' });
  const submit = h('button', { class: 'button primary', type: 'submit' }, endpoint ? 'Save' : 'Add endpoint');
  const { close } = openDialog({
    title: endpoint ? 'Change the endpoint' : 'Add an endpoint',
    content: [
      h(
        'form',
        { class: 'hook-form', novalidate: true, onsubmit: (event) => (event.preventDefault(), void send()) },
        ...form.elements,
        general,
        h('footer', { class: 'dialog-foot' }, h('button', { class: 'button', type: 'button', onclick: () => close() }, 'Cancel'), submit),
      ),
    ],
  });
  form.fields.url.input.focus();

  /** Sent again after a failure it is the same request, so that no second endpoint is made. */
  let sent = { json: '', key: '' };
  const send = async () => {
    const body = form.body();
    const json = JSON.stringify(body);
    if (sent.json !== json) sent = { json, key: randomText() };
    submit.disabled = true;
    setText(general, '');
    try {
      if (endpoint) await save(body);
      else await add(body);
    } catch (error) {
      if (error.status === 401) options.onError(error);
      else showErrors(form.fields, general, error);
    }
    submit.disabled = false;
  };
  const add = async (body) => {
    const made = await options.api.call('POST', '/v1/webhooks', body, { 'idempotency-key': sent.key });
    options.onDone();
    showSecret({ ...options, endpoint: made, secret: made.secret });
  };
  const save = async (body) => {
    const changed = await options.api.call('PATCH', `/v1/webhooks/${endpoint.id}`, body);
    close();
    // Its address has another origin: the secret and the headers of before are gone.
    if (changed.secret) showSecret({ ...options, endpoint: changed, secret: changed.secret });
    else toast('The endpoint was changed. It applies to what is not yet under way.');
    options.onDone();
  };
}

class EndpointForm {
  constructor(creators, endpoint) {
    this.creators = creators;
    const text = (value, more = {}) => h('input', { value: value ?? '', autocomplete: 'off', spellcheck: 'false', ...more });
    const number = (value, min, max, placeholder) => text(value === null || value === undefined ? '' : String(value), { type: 'number', inputmode: 'decimal', step: 'any', min, max, placeholder });
    const types = text('', { placeholder: 'Every type', list: 'hook-types-list' });
    const names = text('', { placeholder: 'Every creator', list: 'hook-creators-list' });
    this.fields = {
      url: field({
        id: 'hook-url',
        label: 'URL',
        hint: 'http or https. Each request carries one event as CloudEvents JSON, signed.',
        input: text(endpoint?.url, { type: 'url', inputmode: 'url', placeholder: 'https://example.com/hooks' }),
      }),
      description: field({ id: 'hook-description', label: 'Description', input: text(endpoint?.description, { maxlength: 500, placeholder: 'What it is for' }) }),
      types: field({ id: 'hook-types', label: 'Events', hint: 'Types or patterns such as monitor.*; Enter adds one. Empty: all.', input: types, wrap: h('div', { class: 'token-field' }, types) }),
      creators: field({ id: 'hook-creators', label: 'Creators', hint: 'Handles; Enter adds one. Empty: all, also those added later.', input: names, wrap: h('div', { class: 'token-field' }, names) }),
      maxInFlight: field({ id: 'hook-in-flight', label: 'Requests at a time', input: number(endpoint?.maxInFlight, 1, 100, '10') }),
      'batch.maxEvents': field({ id: 'hook-batch-events', label: 'Events in a request, at most', input: number(endpoint?.batch?.maxEvents ?? 100, 1, 500) }),
      'batch.maxWaitMs': field({ id: 'hook-batch-wait', label: 'Waits for more, ms', input: number(endpoint?.batch?.maxWaitMs ?? 1_000, 0, 60_000) }),
      rateLimit: field({ id: 'hook-rate', label: 'Requests a second', input: number(endpoint?.rateLimit, 0.01, 10_000, 'No limit') }),
      timeoutMs: field({ id: 'hook-timeout', label: 'Time for an answer, ms', input: number(endpoint?.timeoutMs, 1_000, 30_000, '15000') }),
    };
    this.types = new Tokens({ input: types });
    this.types.set(endpoint?.types ?? []);
    this.names = new Tokens({ input: names, normalise: (name) => (name.startsWith('cr_') ? name : `@${name.replace(/^@/, '')}`) });
    this.names.set((endpoint?.creators ?? []).map((id) => (creators.has(id) ? `@${creators.get(id).view.uniqueId}` : id)));
    this.ordered = choice('hook-order', endpoint?.ordered ?? false, [
      [false, 'In parallel', 'Several requests at a time; one that fails holds back nothing.'],
      [true, 'In order', 'Strictly in order, one request at a time; one that fails holds back the others, up to 76 hours.'],
    ]);
    this.batched = h('input', { type: 'checkbox', id: 'hook-batched', checked: Boolean(endpoint?.batch) });
    this.elements = this.layout();
  }

  layout() {
    const { url, description, types, creators, maxInFlight, rateLimit, timeoutMs } = this.fields;
    const batch = h('div', { class: 'field-row' }, this.fields['batch.maxEvents'].element, this.fields['batch.maxWaitMs'].element);
    const show = () => {
      batch.hidden = !this.batched.checked;
      maxInFlight.element.hidden = this.ordered.value();
    };
    this.batched.addEventListener('change', show);
    this.ordered.element.addEventListener('change', show);
    show();
    const handles = [...this.creators.values()].slice(0, SUGGESTED_CREATORS_MAX).map(({ view }) => `@${view.uniqueId}`);
    return [
      url.element,
      description.element,
      h('div', { class: 'field-row' }, types.element, creators.element),
      options('hook-types-list', SUGGESTED_TYPES),
      options('hook-creators-list', handles.sort()),
      this.ordered.element,
      h('div', { class: 'field-row field-row-3' }, maxInFlight.element, rateLimit.element, timeoutMs.element),
      h('label', { class: 'check', for: 'hook-batched' }, this.batched, h('span', {}, 'Several events in one request (a JSON array)')),
      batch,
    ];
  }

  /** The settings as the API takes them; null takes one back to its default. */
  body() {
    const { url, description, maxInFlight, rateLimit, timeoutMs } = this.fields;
    const ids = new Map([...this.creators.values()].map(({ view }) => [`@${view.uniqueId}`, view.id]));
    const types = this.types.get();
    const creators = this.names.get().map((name) => ids.get(name) ?? name);
    const batch = { maxEvents: numberOf(this.fields['batch.maxEvents']), maxWaitMs: numberOf(this.fields['batch.maxWaitMs']) ?? undefined };
    return {
      url: url.input.value.trim(),
      description: description.input.value.trim(),
      types: types.length > 0 ? types : null,
      creators: creators.length > 0 ? creators : null,
      ordered: this.ordered.value(),
      maxInFlight: numberOf(maxInFlight),
      batch: this.batched.checked ? batch : null,
      rateLimit: numberOf(rateLimit),
      timeoutMs: numberOf(timeoutMs),
    };
  }
}

const numberOf = ({ input }) => (Number.isNaN(input.valueAsNumber) ? null : input.valueAsNumber);
const options = (id, values) => h('datalist', { id }, ...values.map((value) => h('option', { value })));
const randomText = () => [...crypto.getRandomValues(new Uint32Array(4))].map((value) => value.toString(36)).join('-');

/** One of two, each with a sentence. */
function choice(name, value, entries) {
  const inputs = entries.map(([of], i) => h('input', { type: 'radio', name, id: `${name}-${i}`, checked: of === value }));
  const element = h(
    'fieldset',
    { class: 'choice' },
    h('legend', {}, 'Delivery'),
    ...entries.map(([, label, text], i) => h('label', { for: `${name}-${i}` }, inputs[i], h('span', {}, h('strong', {}, label), h('span', { class: 'muted small' }, text)))),
  );
  return { element, value: () => entries[inputs.findIndex(({ checked }) => checked)][0] };
}
