/** The dialog of webhooks, filled anew each time, and what is shown in it once: a secret. */
import { byId, dateOf, h, icon, setText } from './dom.js';
import { failureText } from './webhook-words.js';

const VERIFIER = `import { Webhook } from 'standardwebhooks'; // npm install standardwebhooks

const webhook = new Webhook(process.env.WEBHOOK_SECRET);

// In your handler, with the body as it came, before any JSON parser:
const event = webhook.verify(rawBody, request.headers);`;

/** Opens the dialog with this content. `mayLeave` is asked before Esc closes it; its content is gone when it is closed. */
export function openDialog({ title, content, mayLeave = () => true }) {
  const dialog = byId('hook-dialog');
  const close = () => dialog.close();
  const heading = h('h2', { id: 'hook-dialog-title', tabindex: '-1' }, title);
  const head = h(
    'header',
    { class: 'dialog-head' },
    heading,
    h('button', { class: 'button icon-only ghost', type: 'button', onclick: () => mayLeave() && close() }, icon('close'), h('span', { class: 'visually-hidden' }, 'Close')),
  );
  dialog.replaceChildren(head, ...content);
  dialog.oncancel = (event) => {
    if (!mayLeave()) event.preventDefault();
  };
  dialog.onclose = () => dialog.replaceChildren();
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
  return { dialog, heading, close };
}

/** Says what went wrong at the field it is about, and everything else in `rest`; focuses the first bad field. */
export function showErrors(fields, rest, error) {
  const bad = error.problem?.errors ?? [];
  const left = [];
  for (const { input, message } of Object.values(fields)) {
    setText(message, '');
    input.removeAttribute('aria-invalid');
  }
  for (const { field, expected } of bad) {
    const at = Object.hasOwn(fields, field) ? field : field.split(/[.[]/)[0];
    const sentence = readable(expected);
    if (!Object.hasOwn(fields, at)) left.push(`${field}: ${sentence}`);
    else {
      setText(fields[at].message, sentence);
      fields[at].input.setAttribute('aria-invalid', 'true');
    }
  }
  setText(rest, bad.length === 0 ? error.message : left.join(' '));
  const first = Object.values(fields).find(({ input }) => input.getAttribute('aria-invalid'));
  if (first) first.input.closest('details')?.setAttribute('open', '');
  first?.input.focus();
}

/** What was expected of a field, as a sentence: `at most 500` as `Expected at most 500.` */
const readable = (expected) => `Expected ${expected}${/[.!?]$/.test(expected) ? '' : '.'}`;

/** A labelled control with its hint and a place for its error. */
export function field({ id, label, hint, input, wrap = input }) {
  const message = h('p', { class: 'field-error', id: `${id}-error`, role: 'alert' });
  input.id = id;
  input.setAttribute('aria-describedby', `${id}-error${hint ? ` ${id}-hint` : ''}`);
  const element = h('div', { class: 'field' }, h('label', { for: id }, label), wrap, hint ? h('p', { class: 'muted small', id: `${id}-hint` }, hint) : '', message);
  return { element, input, message };
}

/** A button that copies, also where the page has no clipboard of its own (plain HTTP). */
export function copyButton(source, what, onCopied = () => undefined) {
  const label = h('span', {}, 'Copy');
  const copy = async () => {
    let copied = true;
    try {
      await navigator.clipboard.writeText(source.textContent);
    } catch {
      const range = document.createRange();
      range.selectNodeContents(source);
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      copied = document.execCommand('copy');
    }
    setText(label, copied ? 'Copied' : 'Select and copy it');
    onCopied();
    setTimeout(() => setText(label, 'Copy'), 3_000);
  };
  return h('button', { class: 'button', type: 'button', onclick: () => void copy() }, icon('copy'), h('span', { 'aria-live': 'polite' }, label), h('span', { class: 'visually-hidden' }, what));
}

/**
 * Shows a secret, once: with it the lines that verify it and a way to try them.
 * @param {{api: import('./client.js').Api, endpoint: object, secret: string, oldUntil?: string | null, rotated?: boolean, onDone: () => void, onOpen?: (id: string) => void, onError: (error: Error) => void}} options
 */
export function showSecret({ api, endpoint, secret, oldUntil, rotated = false, onDone, onOpen, onError }) {
  let copied = false;
  const shown = h('code', { class: 'secret', tabindex: '0' }, secret);
  const code = h('code', {}, VERIFIER);
  const result = h('p', { class: 'test-result', role: 'status' });
  const warning = h('p', { class: 'field-error', role: 'alert' });
  const test = h('button', { class: 'button', type: 'button', onclick: () => void send() }, icon('send'), 'Send a test event');
  const send = async () => {
    test.disabled = true;
    setText(result, 'Sending…');
    try {
      const { attempt } = await api.call('POST', `/v1/webhooks/${endpoint.id}/test`);
      result.dataset.tone = attempt.category ? 'bad' : 'good';
      setText(result, attempt.category ? `It did not arrive: ${failureText(attempt.category, attempt.status)}.` : `Arrived: ${attempt.status} in ${attempt.latencyMs} ms.`);
    } catch (error) {
      setText(result, '');
      onError(error);
    }
    test.disabled = false;
  };
  const { close, heading } = openDialog({
    title: rotated ? 'The new secret' : 'The endpoint is ready',
    mayLeave: () => {
      if (!copied) setText(warning, 'Copy the secret first: it is not shown again. “Done” closes without.');
      return copied;
    },
    content: [
      h('p', {}, rotated ? graceText(oldUntil) : 'Its secret signs every request. It is shown here once and stored encrypted.'),
      h('div', { class: 'secret-line' }, shown, copyButton(shown, 'the secret', () => ((copied = true), setText(warning, '')))),
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
        onOpen ? h('button', { class: 'button', type: 'button', onclick: () => (close(), onDone(), onOpen(endpoint.id)) }, 'Open the endpoint') : '',
        h('button', { class: 'button primary', type: 'button', onclick: () => (close(), onDone()) }, 'Done, it is stored'),
      ),
    ],
  });
  heading.focus();
}

const graceText = (oldUntil) =>
  oldUntil
    ? `Until ${dateOf(oldUntil)} every request is signed with the old secret too, so that receivers can change over. The new one is shown here once.`
    : 'The old secret no longer signs. The new one is shown here once.';
