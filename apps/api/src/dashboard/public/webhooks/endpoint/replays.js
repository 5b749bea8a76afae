/** Replays of one endpoint: started from a time, shown with their progress, cancelled. */
import { arrange, dropRows, h, icon, setText, toast } from '../../elements/dom.js';
import { count, dateOf } from '../../elements/format.js';
import { field, formDialog, showBadFields, showErrors } from '../dialogs.js';

/** @import { Replay } from '../../api/answers.js' */
/** @import { PartOptions } from './deliveries.js' */

const SHOWN = 3;
const HOUR_MS = 3_600_000;
/** 0 stands for a time that is typed. @type {[ms: number, label: string][]} */
const SINCE = [
  [HOUR_MS, 'The last hour'],
  [24 * HOUR_MS, 'The last 24 hours'],
  [0, 'Since a time'],
];
/** @type {Record<Replay['state'], string>} */
const STATE_LABEL = { running: 'Running', done: 'Done', cancelled: 'Cancelled' };

/** @typedef {ReturnType<Replays['makeRow']>} ReplayRow */

export class Replays {
  /** @type {Map<string, ReplayRow>} */
  rows = new Map();
  list = h('ul', { class: 'replays' });
  element = h('section', { class: 'panel', 'aria-labelledby': 'replays-title', hidden: true }, h('header', { class: 'panel-head' }, h('h2', { id: 'replays-title' }, 'Replays')), this.list);

  /** @param {PartOptions} options */
  constructor(options) {
    this.options = options;
  }

  async refresh() {
    const { api, id } = this.options;
    const { data } = await api.call('GET /v1/webhooks/{id}/replays', { path: { id }, query: { limit: SHOWN } });
    dropRows(this.rows, data.map((replay) => replay.id));
    const rows = data.map((replay) => {
      const row = this.rows.get(replay.id) ?? this.makeRow(replay);
      this.rows.set(replay.id, row);
      updateRow(row, replay);
      return row;
    });
    arrange(this.list, rows.map(({ element }) => element));
    this.element.hidden = data.length === 0;
  }

  /** @param {Replay} replay */
  makeRow({ id, createdAt, rateLimit }) {
    const stateText = h('span');
    const state = h('span', { class: 'state' }, stateText);
    const bar = h('progress', { max: 1, 'aria-label': `Progress of the replay of ${dateOf(createdAt)}` });
    const text = h('span', { class: 'muted small' });
    const cancel = h('button', { class: 'button', type: 'button', data: { needs: 'webhooks:write' }, onclick: () => void this.cancel(id) }, 'Cancel');
    const element = h('li', { class: 'replay' }, state, h('span', {}, dateOf(createdAt)), h('span', { class: 'muted small' }, `${count(rateLimit)}/s at most`), bar, text, cancel);
    return { element, state, stateText, bar, text, cancel };
  }

  /** @param {string} replay */
  async cancel(replay) {
    const { api, id, onError, onChange } = this.options;
    try {
      await api.call('DELETE /v1/webhooks/{id}/replays/{replay}', { path: { id, replay } });
      toast('The replay was cancelled. What is on the wire may still arrive.');
    } catch (error) {
      onError(error);
    }
    onChange();
  }

  /** Asks from when on, and starts one. */
  open() {
    const { api, id, onChange } = this.options;
    const select = h('select', {}, ...SINCE.map(([ms, label]) => h('option', { value: ms }, label)));
    const time = h('input', { type: 'datetime-local', step: '1', value: localText(new Date(Date.now() - HOUR_MS)) });
    const rate = h('input', { type: 'number', step: 'any', min: 0.1, max: 10_000, value: '50' });
    const from = field({ id: 'replay-from', label: 'Events received in', input: select });
    const fields = {
      since: field({ id: 'replay-since', label: 'Since', input: time }),
      rateLimit: field({ id: 'replay-rate', label: 'Requests a second, at most', input: rate }),
    };
    const chosen = () => Number(select.value);
    const show = () => (time.hidden = fields.since.label.hidden = chosen() !== 0);
    select.addEventListener('change', show);
    show();
    const { close, general } = formDialog({
      title: 'Replay stored events',
      submit: h('button', { class: 'button primary', type: 'submit' }, icon('again'), 'Replay'),
      content: [
        h('p', { class: 'muted' }, 'Matching events are sent again beside live ones, in order, as new deliveries with the header webhook-replay. Their event ids stay the same.'),
        from.element,
        fields.since.element,
        fields.rateLimit.element,
      ],
      onSubmit: async () => {
        if (chosen() === 0 && !time.value) return showBadFields(fields, general, [{ field: 'since', expected: 'a date and a time' }]);
        const since = (chosen() === 0 ? new Date(time.value) : new Date(Date.now() - chosen())).toISOString();
        try {
          await api.call('POST /v1/webhooks/{id}/replay', { path: { id }, body: { since, ...(rate.value ? { rateLimit: rate.valueAsNumber } : {}) } });
          close();
          toast('The replay has begun, beside live delivery.');
          onChange();
        } catch (error) {
          showErrors(fields, general, error);
        }
      },
    });
    select.focus();
  }
}

/** @param {ReplayRow} row @param {Replay} replay */
function updateRow(row, { state, progress, deliveries }) {
  row.state.dataset.state = state;
  setText(row.stateText, STATE_LABEL[state]);
  row.bar.value = progress;
  row.bar.hidden = state !== 'running';
  row.cancel.hidden = state !== 'running';
  const parts = [state === 'running' && `${Math.round(progress * 100)} %`, `${count(deliveries.delivered)} delivered`, deliveries.open && `${count(deliveries.open)} waiting`, deliveries.dead && `${count(deliveries.dead)} given up`];
  setText(row.text, parts.filter(Boolean).join(', '));
}

/** A time as `datetime-local` has it: local, to the second. @param {Date} date */
const localText = (date) => new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
