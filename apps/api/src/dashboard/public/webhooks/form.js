/** The form of an endpoint: to add one, and to change one. */
import { ApiError } from '../api/client.js';
import { h, setText, toast } from '../elements/dom.js';
import { Tokens } from '../elements/tokens.js';
import { field, formDialog, showErrors } from './dialogs.js';
import { showSecret } from './secret.js';
import { handleOf } from './words.js';

/** @import { Endpoint } from '../api/answers.js' */
/** @import { Call, EndpointBody } from '../api/routes.js' */
/** @import { Monitored } from '../creators/model.js' */
/** @import { Attributes } from '../elements/attributes.js' */

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
const BATCH_EVENTS = 100;
const BATCH_WAIT_MS = 1_000;

/**
 * Opens the form: without `endpoint` it adds one.
 * @param {{
 *   api: { call: Call },
 *   creators: () => Map<string, Monitored>,
 *   endpoint?: Endpoint,
 *   onDone: () => void,
 *   onOpen?: (id: string) => void,
 *   onError: (error: unknown) => void,
 * }} options
 */
export function openEndpointForm(options) {
  const { api, endpoint, onDone, onError } = options;
  const form = new EndpointForm(options.creators(), endpoint);
  const submit = h('button', { class: 'button primary', type: 'submit' }, endpoint ? 'Save' : 'Add endpoint');

  /** Sent again after a failure it is the same request, so that no second endpoint is made. */
  let sent = { json: '', key: '' };
  const send = async () => {
    const body = form.body();
    const json = JSON.stringify(body);
    if (sent.json !== json) sent = { json, key: randomText() };
    submit.disabled = true;
    setText(general, '');
    try {
      if (endpoint) await save(endpoint.id, body);
      else await add(body);
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) onError(error);
      else showErrors(form.fields, general, error);
    }
    submit.disabled = false;
  };
  /** @param {EndpointBody} body */
  const add = async (body) => {
    const made = await api.call('POST /v1/webhooks', { body, header: { 'Idempotency-Key': sent.key } });
    onDone();
    showSecret({ ...options, endpoint: made, secret: made.secret });
  };
  /** @param {string} id @param {EndpointBody} body */
  const save = async (id, body) => {
    const changed = await api.call('PATCH /v1/webhooks/{id}', { path: { id }, body });
    close();
    // Its address has another origin: the secret and the headers of before are gone.
    if (changed.secret) showSecret({ ...options, endpoint: changed, secret: changed.secret });
    else toast('The endpoint was changed. It applies to what is not yet under way.');
    onDone();
  };
  const { close, general } = formDialog({
    title: endpoint ? 'Change the endpoint' : 'Add an endpoint',
    look: 'hook-form',
    content: form.elements,
    submit,
    onSubmit: send,
  });
  form.fields.url.input.focus();
}

class EndpointForm {
  /** @param {Map<string, Monitored>} creators by id @param {Endpoint} [endpoint] */
  constructor(creators, endpoint) {
    this.creators = [...creators.values()].map(({ view }) => ({ id: view.id, handle: `@${view.uniqueId}` }));
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
      'batch.maxEvents': field({ id: 'hook-batch-events', label: 'Events in a request, at most', input: number(endpoint?.batch?.maxEvents ?? BATCH_EVENTS, 1, 500) }),
      'batch.maxWaitMs': field({ id: 'hook-batch-wait', label: 'Waits for more, ms', input: number(endpoint?.batch?.maxWaitMs ?? BATCH_WAIT_MS, 0, 60_000) }),
      rateLimit: field({ id: 'hook-rate', label: 'Requests a second', input: number(endpoint?.rateLimit, 0.01, 10_000, 'No limit') }),
      timeoutMs: field({ id: 'hook-timeout', label: 'Time for an answer, ms', input: number(endpoint?.timeoutMs, 1_000, 30_000, '15000') }),
    };
    this.types = new Tokens({ input: types });
    this.types.set(endpoint?.types ?? []);
    this.names = new Tokens({ input: names, normalise: (name) => (name.startsWith('cr_') ? name : `@${name.replace(/^@/, '')}`) });
    this.names.set((endpoint?.creators ?? []).map((id) => handleOf(id, creators)));
    this.order = orderChoice(endpoint?.ordered ?? false);
    this.batched = h('input', { type: 'checkbox', id: 'hook-batched', checked: Boolean(endpoint?.batch) });
    this.elements = this.layout();
  }

  layout() {
    const { url, description, types, creators, maxInFlight, rateLimit, timeoutMs } = this.fields;
    const batch = h('div', { class: 'field-row' }, this.fields['batch.maxEvents'].element, this.fields['batch.maxWaitMs'].element);
    const show = () => {
      batch.hidden = !this.batched.checked;
      maxInFlight.element.hidden = this.order.ordered();
    };
    this.batched.addEventListener('change', show);
    this.order.element.addEventListener('change', show);
    show();
    const handles = this.creators.slice(0, SUGGESTED_CREATORS_MAX).map(({ handle }) => handle);
    return [
      url.element,
      description.element,
      h('div', { class: 'field-row' }, types.element, creators.element),
      suggestions('hook-types-list', SUGGESTED_TYPES),
      suggestions('hook-creators-list', handles.sort()),
      this.order.element,
      h('div', { class: 'field-row field-row-3' }, maxInFlight.element, rateLimit.element, timeoutMs.element),
      h('label', { class: 'check', for: 'hook-batched' }, this.batched, h('span', {}, 'Several events in one request (a JSON array)')),
      batch,
    ];
  }

  /** The settings as the API takes them. @returns {EndpointBody} */
  body() {
    const { url, description, maxInFlight, rateLimit, timeoutMs } = this.fields;
    const ids = new Map(this.creators.map(({ id, handle }) => [handle, id]));
    const types = this.types.get();
    const creators = this.names.get().map((name) => ids.get(name) ?? name);
    return {
      url: url.input.value.trim(),
      description: description.input.value.trim(),
      types: types.length > 0 ? types : null,
      creators: creators.length > 0 ? creators : null,
      ordered: this.order.ordered(),
      maxInFlight: numberOf(maxInFlight),
      batch: this.batched.checked ? this.batch() : null,
      rateLimit: numberOf(rateLimit),
      timeoutMs: numberOf(timeoutMs),
    };
  }

  batch() {
    // A field that is empty has NaN, which JSON writes as null: the API then says at the field what it expects.
    const maxEvents = this.fields['batch.maxEvents'].input.valueAsNumber;
    return { maxEvents, maxWaitMs: numberOf(this.fields['batch.maxWaitMs']) ?? undefined };
  }
}

/** @param {string | undefined} value @param {Attributes<HTMLInputElement>} more */
const text = (value, more) => h('input', { value: value ?? '', autocomplete: 'off', spellcheck: 'false', ...more });

/** @param {number | null | undefined} value @param {number} min @param {number} max @param {string} [placeholder] */
const number = (value, min, max, placeholder) => text(value?.toString(), { type: 'number', inputmode: 'decimal', step: 'any', min, max, placeholder });

/** null where nothing is typed. @param {{ input: HTMLInputElement }} field */
const numberOf = ({ input }) => (Number.isNaN(input.valueAsNumber) ? null : input.valueAsNumber);

/** @param {string} id @param {string[]} values */
const suggestions = (id, values) => h('datalist', { id }, ...values.map((value) => h('option', { value })));

const randomText = () => [...crypto.getRandomValues(new Uint32Array(4))].map((value) => value.toString(36)).join('-');

/** In parallel, or in order; each with a sentence. @param {boolean} ordered */
function orderChoice(ordered) {
  /** @param {string} id @param {boolean} checked */
  const radio = (id, checked) => h('input', { type: 'radio', name: 'hook-order', id, checked });
  const [parallel, inOrder] = [radio('hook-order-0', !ordered), radio('hook-order-1', ordered)];
  /** @param {HTMLInputElement} input @param {string} label @param {string} sentence */
  const row = (input, label, sentence) => h('label', { for: input.id }, input, h('span', {}, h('strong', {}, label), h('span', { class: 'muted small' }, sentence)));
  const element = h(
    'fieldset',
    { class: 'choice' },
    h('legend', {}, 'Delivery'),
    row(parallel, 'In parallel', 'Several requests at a time; one that fails holds back nothing.'),
    row(inOrder, 'In order', 'Strictly in order, one request at a time; one that fails holds back the others, up to 76 hours.'),
  );
  return { element, ordered: () => inOrder.checked };
}
