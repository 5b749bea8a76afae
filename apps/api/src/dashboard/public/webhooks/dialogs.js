/** The dialog of webhooks, filled anew each time; its forms, with errors at the fields they are about. */
import { ApiError } from '../api/client.js';
import { byId, h, icon, setText } from '../elements/dom.js';

/** @import { Problem } from '../api/answers.js' */

/**
 * Opens the dialog with this content. Its content is gone when it is closed.
 * @param {{ title: string, content: Node[], mayLeave?: () => boolean }} options `mayLeave` is asked before Esc or its cross closes it
 */
export function openDialog({ title, content, mayLeave = () => true }) {
  const dialog = byId('hook-dialog');
  const close = () => dialog.close();
  const heading = h('h2', { id: 'hook-dialog-title', tabindex: '-1' }, title);
  const leave = () => {
    if (mayLeave()) close();
  };
  const cross = h('button', { class: 'button icon-only ghost', type: 'button', onclick: leave }, icon('close'), h('span', { class: 'visually-hidden' }, 'Close'));
  dialog.replaceChildren(h('header', { class: 'dialog-head' }, heading, cross), ...content);
  dialog.oncancel = (event) => {
    if (!mayLeave()) event.preventDefault();
  };
  dialog.onclose = () => dialog.replaceChildren();
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
  return { heading, close };
}

/**
 * Opens the dialog with a form: its fields, a place for what is wrong with none of them (`general`), Cancel and `submit`.
 * @param {{ title: string, look?: string, content: Node[], submit: HTMLButtonElement, onSubmit: () => unknown }} options
 */
export function formDialog({ title, look, content, submit, onSubmit }) {
  const general = h('p', { class: 'field-error', role: 'alert' });
  const cancel = h('button', { class: 'button', type: 'button', onclick: () => close() }, 'Cancel');
  const send = (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    void onSubmit();
  };
  const form = h('form', { class: look, novalidate: true, onsubmit: send }, ...content, general, h('footer', { class: 'dialog-foot' }, cancel, submit));
  const { close } = openDialog({ title, content: [form] });
  return { close, general };
}

/** @typedef {HTMLInputElement | HTMLSelectElement} Control */

/**
 * A labelled control with its hint and a place for its error.
 * @template {Control} C
 * @param {{ id: string, label: string, hint?: string, input: C, wrap?: HTMLElement }} options `wrap` holds the control, where it is not alone
 */
export function field({ id, label: text, hint, input, wrap = input }) {
  const message = h('p', { class: 'field-error', id: `${id}-error`, role: 'alert' });
  input.id = id;
  input.setAttribute('aria-describedby', `${id}-error${hint ? ` ${id}-hint` : ''}`);
  const label = h('label', { for: id }, text);
  const element = h('div', { class: 'field' }, label, wrap, hint && h('p', { class: 'muted small', id: `${id}-hint` }, hint), message);
  return { element, label, input, message };
}

/** @typedef {ReturnType<typeof field<Control>>} Field */

/**
 * Shows what went wrong at the field it is about, and everything else in `rest`; focuses the first bad field.
 * @param {Record<string, Field>} fields by their name in the body that was sent
 * @param {HTMLElement} rest
 * @param {unknown} error
 */
export function showErrors(fields, rest, error) {
  const bad = (error instanceof ApiError && error.problem?.errors) || [];
  showBadFields(fields, rest, bad);
  if (bad.length === 0) setText(rest, error instanceof Error ? error.message : String(error));
}

/** @param {Record<string, Field>} fields @param {HTMLElement} rest @param {NonNullable<Problem['errors']>} bad */
export function showBadFields(fields, rest, bad) {
  const left = [];
  for (const { input, message } of Object.values(fields)) {
    setText(message, '');
    input.removeAttribute('aria-invalid');
  }
  for (const { field: name, expected } of bad) {
    const at = fields[name] ?? fields[name.split(/[.[]/)[0] ?? ''];
    const sentence = readable(expected);
    if (!at) left.push(`${name}: ${sentence}`);
    else {
      setText(at.message, sentence);
      at.input.setAttribute('aria-invalid', 'true');
    }
  }
  setText(rest, left.join(' '));
  Object.values(fields)
    .find(({ input }) => input.getAttribute('aria-invalid'))
    ?.input.focus();
}

/** What was expected of a field, as a sentence: `at most 500` as `Expected at most 500.` @param {string} expected */
const readable = (expected) => `Expected ${expected}${/[.!?]$/.test(expected) ? '' : '.'}`;
