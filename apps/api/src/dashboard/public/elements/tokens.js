/** A field that holds several short texts: typed or chosen from suggestions, each removable. */
import { h, icon } from './dom.js';

export class Tokens {
  /** @type {string[]} */
  values = [];

  /**
   * @param {{ input: HTMLInputElement, normalise?: (text: string) => string }} options `input` is in the page, with a datalist where there
   *   are suggestions
   */
  constructor({ input, normalise = (text) => text }) {
    this.input = input;
    this.normalise = normalise;
    this.list = h('ul', { class: 'tokens' });
    input.before(this.list);
    input.addEventListener('keydown', (event) => {
      if ((event.key === 'Enter' || event.key === ',') && input.value.trim()) {
        event.preventDefault();
        this.take();
      } else if (event.key === 'Backspace' && !input.value && this.values.length > 0) this.set(this.values.slice(0, -1));
    });
    input.addEventListener('input', (event) => {
      // A suggestion that was chosen is told by its kind of input event, or by an event without a kind; typing has another kind.
      const kind = event instanceof InputEvent ? event.inputType : undefined;
      if (kind === 'insertReplacementText' || kind === undefined) this.take();
    });
    input.addEventListener('change', () => this.take());
  }

  /** Takes what is typed; several at once may be pasted. */
  take() {
    const typed = this.input.value.split(/[\s,]+/).filter(Boolean).map((text) => this.normalise(text));
    if (typed.length === 0) return;
    this.input.value = '';
    this.set([...this.values, ...typed]);
  }

  /** The texts, with what is typed and not taken yet. */
  get() {
    this.take();
    return [...this.values];
  }

  /** @param {string[]} values */
  set(values) {
    this.values = [...new Set(values)];
    this.list.hidden = this.values.length === 0;
    this.list.replaceChildren(
      ...this.values.map((value) =>
        h(
          'li',
          { class: 'token' },
          h('span', {}, value),
          h('button', { type: 'button', onclick: () => this.remove(value) }, icon('close'), h('span', { class: 'visually-hidden' }, `Remove ${value}`)),
        ),
      ),
    );
  }

  /** @param {string} value */
  remove(value) {
    this.set(this.values.filter((one) => one !== value));
    this.input.focus();
  }
}
