/** The dialog that adds creators; the result of each is listed where they were typed. */
import { byId, h } from '../elements/dom.js';

/** @import { Call } from '../api/routes.js' */

export class AddDialog {
  /** @param {{ api: { call: Call }, onAdded: () => Promise<void>, onError: (error: unknown) => void }} options */
  constructor(options) {
    this.options = options;
    byId('add').addEventListener('click', () => this.open());
    byId('add-form').addEventListener('submit', (event) => {
      event.preventDefault();
      void this.submit();
    });
  }

  open() {
    byId('add-result').replaceChildren();
    byId('add-dialog').showModal();
    byId('add-names').focus();
  }

  /** What could not be added stays in the field, to be mended. */
  async submit() {
    const field = byId('add-names');
    const names = field.value.split(/[\n,]+/).map((name) => name.trim()).filter(Boolean);
    if (names.length === 0) return;
    try {
      field.value = (await this.add(names)).join('\n');
    } catch (error) {
      this.options.onError(error);
    }
  }

  /** Those that could not be added. @param {string[]} names */
  async add(names) {
    const { data, created, exists, invalid } = await this.options.api.call('POST /v1/creators/batch', { body: { creators: names } });
    const bad = data.filter(({ result }) => result === 'invalid').map(({ index, reason = '' }) => ({ name: names[index] ?? '', reason: reason.replace('uniqueId: ', '') }));
    const parts = [created && `${created} added`, exists && `${exists} monitored already`, invalid && `${invalid} not understood`].filter(Boolean);
    byId('add-result').replaceChildren(
      h('p', {}, `${parts.join(', ')}.`),
      h('ul', { class: 'result-list' }, ...bad.map(({ name, reason }) => h('li', { class: 'bad' }, `${name}: ${reason}`))),
    );
    await this.options.onAdded();
    return bad.map(({ name }) => name);
  }
}
