/** A secret, shown once: with it the lines that verify it and a way to try them. */
import { h, icon, setText } from '../elements/dom.js';
import { dateOf } from '../elements/format.js';
import { openDialog } from './dialogs.js';
import { failureText } from './words.js';

/** @import { Attempt, Endpoint } from '../api/answers.js' */
/** @import { Call } from '../api/routes.js' */

const COPIED_MS = 3_000;
const VERIFIER = `import { Webhook } from 'standardwebhooks'; // npm install standardwebhooks

const webhook = new Webhook(process.env.WEBHOOK_SECRET);

// In your handler, with the body as it came, before any JSON parser:
const event = webhook.verify(rawBody, request.headers);`;

/**
 * A button that copies, also where the page has no clipboard of its own (plain HTTP).
 * @param {HTMLElement} source
 * @param {string} what names it to a screen reader
 */
function copyButton(source, what, onCopied = () => {}) {
  const label = h('span', {}, 'Copy');
  const copy = async () => {
    const copied = await copyText(source);
    setText(label, copied ? 'Copied' : 'Select and copy it');
    if (copied) onCopied();
    setTimeout(() => setText(label, 'Copy'), COPIED_MS);
  };
  return h('button', { class: 'button', type: 'button', onclick: () => void copy() }, icon('copy'), h('span', { 'aria-live': 'polite' }, label), h('span', { class: 'visually-hidden' }, what));
}

/** Whether the text of an element was copied; it is selected where that must be left to the user. @param {HTMLElement} source */
async function copyText(source) {
  try {
    await navigator.clipboard.writeText(source.textContent ?? '');
    return true;
  } catch {
    const range = document.createRange();
    range.selectNodeContents(source);
    getSelection()?.removeAllRanges();
    getSelection()?.addRange(range);
    return document.execCommand('copy');
  }
}

/** What a test event came to, as a sentence that begins with `subject`. @param {Attempt} attempt @param {string} subject */
export function testText({ category, status, latencyMs }, subject) {
  return category ? `${subject} did not arrive: ${failureText(category, status)}.` : `${subject} arrived: ${status} in ${latencyMs} ms.`;
}

/**
 * Shows a secret that was just made.
 * @param {{
 *   api: { call: Call },
 *   endpoint: Pick<Endpoint, 'id'>,
 *   secret: string,
 *   oldUntil?: string | null,
 *   rotated?: boolean,
 *   onDone: () => void,
 *   onOpen?: (id: string) => void,
 *   onError: (error: unknown) => void,
 * }} options `oldUntil`: until when the old secret signs too; `rotated`: there was one before
 */
export function showSecret({ api, endpoint, secret, oldUntil, rotated = false, onDone, onOpen, onError }) {
  let copied = false;
  const shown = h('code', { class: 'secret', tabindex: '0' }, secret);
  const code = h('code', {}, VERIFIER);
  const result = h('p', { class: 'test-result', role: 'status' });
  const warning = h('p', { class: 'field-error', role: 'alert' });
  const send = async () => {
    test.disabled = true;
    setText(result, 'Sending…');
    try {
      const { attempt } = await api.call('POST /v1/webhooks/{id}/test', { path: { id: endpoint.id } });
      result.dataset.tone = attempt.category ? 'bad' : 'good';
      setText(result, testText(attempt, 'It'));
    } catch (error) {
      setText(result, '');
      onError(error);
    }
    test.disabled = false;
  };
  const test = h('button', { class: 'button', type: 'button', onclick: () => void send() }, icon('send'), 'Send a test event');
  const done = () => {
    close();
    onDone();
  };
  const open = () => {
    done();
    onOpen?.(endpoint.id);
  };
  const noteCopied = () => {
    copied = true;
    setText(warning, '');
  };
  const { close, heading } = openDialog({
    title: rotated ? 'The new secret' : 'The endpoint is ready',
    mayLeave: () => {
      if (!copied) setText(warning, 'Copy the secret first: it is not shown again. “Done” closes without.');
      return copied;
    },
    content: [
      h('p', {}, rotated ? graceText(oldUntil) : 'Its secret signs every request. It is shown here once and stored encrypted.'),
      h('div', { class: 'secret-line' }, shown, copyButton(shown, 'the secret', noteCopied)),
      warning,
      h('div', { class: 'code-head' }, h('h3', {}, 'Verify what comes'), copyButton(code, 'the code')),
      h('pre', { class: 'code', tabindex: '0' }, code),
      h('p', { class: 'muted small' }, 'Any library of Standard Webhooks does this; documentation has it without one, for Node and Python.'),
      h('h3', {}, 'Try it'),
      h('p', { class: 'muted' }, 'A test event (tributary.test) is sent at once and signed like every other.'),
      h('div', { class: 'test-line' }, test, result),
      h(
        'footer',
        { class: 'dialog-foot' },
        onOpen && h('button', { class: 'button', type: 'button', onclick: open }, 'Open the endpoint'),
        h('button', { class: 'button primary', type: 'button', onclick: done }, 'Done, it is stored'),
      ),
    ],
  });
  heading.focus();
}

/** @param {string | null | undefined} oldUntil */
const graceText = (oldUntil) =>
  oldUntil
    ? `Until ${dateOf(oldUntil)} every request is signed with the old secret too, so that receivers can change over. The new one is shown here once.`
    : 'The old secret no longer signs. The new one is shown here once.';
