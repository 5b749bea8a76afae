/** Replays of one endpoint: started from a time, shown with their progress, cancelled. */
import { count, dateOf, h, icon, setText, toast } from './dom.js';
import { field, openDialog, showErrors } from './webhook-dialogs.js';

const SHOWN = 3;
const HOUR_MS = 3_600_000;
const SINCE = [
  [HOUR_MS, 'The last hour'],
  [24 * HOUR_MS, 'The last 24 hours'],
  [0, 'Since a time'],
];
const STATE_LABEL = { running: 'Running', done: 'Done', cancelled: 'Cancelled' };

export class Replays {
  /** @param {{api: import('./client.js').Api, id: string, onError: (error: Error) => void, onChange: () => void}} options */
  constructor(options) {
    this.options = options;
    this.path = `/v1/webhooks/${options.id}`;
    this.rows = new Map();
    this.list = h('ul', { class: 'replays' });
    this.element = h('section', { class: 'panel', 'aria-labelledby': 'replays-title', hidden: true }, h('header', { class: 'panel-head' }, h('h2', { id: 'replays-title' }, 'Replays')), this.list);
  }

  async refresh() {
    const { data } = await this.options.api.call('GET', `${this.path}/replays?limit=${SHOWN}`);
    const kept = new Set(data.map(({ id }) => id));
    for (const [id, row] of this.rows) {
      if (kept.has(id)) continue;
      row.element.remove();
      this.rows.delete(id);
    }
    data.forEach((replay, i) => {
      const row = this.rows.get(replay.id) ?? this.makeRow(replay);
      this.rows.set(replay.id, row);
      if (this.list.children[i] !== row.element) this.list.insertBefore(row.element, this.list.children[i] ?? null);
      update(row, replay);
    });
    this.element.hidden = data.length === 0;
  }

  makeRow({ id, createdAt, rateLimit }) {
    const part = { stateText: h('span'), bar: h('progress', { max: 1, 'aria-label': `Progress of the replay of ${dateOf(createdAt)}` }), text: h('span', { class: 'muted small' }) };
    part.state = h('span', { class: 'state' }, part.stateText);
    part.cancel = h('button', { class: 'button', type: 'button', data: { needs: 'webhooks:write' }, onclick: () => void this.cancel(id) }, 'Cancel');
    part.element = h('li', { class: 'replay' }, part.state, h('span', {}, dateOf(createdAt)), h('span', { class: 'muted small' }, `${count(rateLimit)}/s at most`), part.bar, part.text, part.cancel);
    return part;
  }

  async cancel(id) {
    try {
      await this.options.api.call('DELETE', `${this.path}/replays/${id}`);
      toast('The replay was cancelled. What is on the wire may still arrive.');
    } catch (error) {
      this.options.onError(error);
    }
    this.options.onChange();
  }

  /** Asks from when on, and starts one. */
  open() {
    const select = h('select', {}, ...SINCE.map(([ms, label]) => h('option', { value: String(ms) }, label)));
    const time = h('input', { type: 'datetime-local', step: '1', value: localText(new Date(Date.now() - HOUR_MS)) });
    const rate = h('input', { type: 'number', step: 'any', min: 0.1, max: 10_000, value: '50' });
    const from = field({ id: 'replay-from', label: 'Events received in', input: select });
    const fields = {
      since: field({ id: 'replay-since', label: 'Since', input: time }),
      rateLimit: field({ id: 'replay-rate', label: 'Requests a second, at most', input: rate }),
    };
    const general = h('p', { class: 'field-error', role: 'alert' });
    const chosen = () => Number(select.value);
    const show = () => (time.hidden = fields.since.element.querySelector('label').hidden = chosen() !== 0);
    select.addEventListener('change', show);
    show();
    const start = async () => {
      try {
        if (chosen() === 0 && !time.value) return showErrors(fields, general, { message: '', problem: { errors: [{ field: 'since', expected: 'a date and a time' }] } });
        const since = (chosen() === 0 ? new Date(time.value) : new Date(Date.now() - chosen())).toISOString();
        await this.options.api.call('POST', `${this.path}/replay`, { since, ...(rate.value ? { rateLimit: rate.valueAsNumber } : {}) });
        close();
        toast('The replay has begun, beside live delivery.');
        this.options.onChange();
      } catch (error) {
        showErrors(fields, general, error);
      }
    };
    const { close } = openDialog({
      title: 'Replay stored events',
      content: [
        h(
          'form',
          { novalidate: true, onsubmit: (event) => (event.preventDefault(), void start()) },
          h('p', { class: 'muted' }, 'Matching events are sent again beside live ones, in order, as new deliveries with the header webhook-replay. Their event ids stay the same.'),
          from.element,
          fields.since.element,
          fields.rateLimit.element,
          general,
          h('footer', { class: 'dialog-foot' }, h('button', { class: 'button', type: 'button', onclick: () => close() }, 'Cancel'), h('button', { class: 'button primary', type: 'submit' }, icon('again'), 'Replay')),
        ),
      ],
    });
    select.focus();
  }
}

function update(row, { state, progress, deliveries }) {
  row.state.dataset.state = state;
  setText(row.stateText, STATE_LABEL[state] ?? state);
  row.bar.value = progress;
  row.bar.hidden = state !== 'running';
  row.cancel.hidden = state !== 'running';
  const parts = [state === 'running' && `${Math.round(progress * 100)} %`, `${count(deliveries.delivered)} delivered`, deliveries.open && `${count(deliveries.open)} waiting`, deliveries.dead && `${count(deliveries.dead)} given up`];
  setText(row.text, parts.filter(Boolean).join(', '));
}

/** A time as `datetime-local` has it: local, to the second. */
const localText = (date) => new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
