/** One delivery in the list: made once and then only updated. */
import { h, icon, setText } from '../../elements/dom.js';
import { brief, dateOf, duration, timeOf } from '../../elements/format.js';
import { contentText, DELIVERY_LABEL, deliveryState, failureText, KIND_LABEL } from '../words.js';

/** @import { Delivery } from '../../api/answers.js' */

const DAY_MS = 86_400_000;

/** @typedef {ReturnType<typeof makeRow>} DeliveryRow */

/** @param {string} id @param {() => void} onToggle */
export function makeRow(id, onToggle) {
  const when = h('time');
  const stateText = h('span');
  const state = h('span', { class: 'state' }, stateText);
  const what = h('span', { class: 'delivery-what' });
  const result = h('span', { class: 'delivery-result' });
  const next = h('span', { class: 'delivery-next' });
  const body = h('div', { class: 'delivery-body', id: `body-${id}`, hidden: true });
  const button = h('button', { class: 'delivery-head', type: 'button', 'aria-expanded': 'false', 'aria-controls': `body-${id}`, onclick: onToggle }, icon('next'), when, state, what, result, next);
  const element = h('li', { class: 'delivery' }, button, body);
  return { element, button, body, when, state, stateText, what, result, next };
}

/** @param {DeliveryRow} row @param {Delivery} delivery */
export function updateRow(row, delivery) {
  const { createdAt, kind, attempts } = delivery;
  const state = deliveryState(delivery);
  row.when.dateTime = createdAt;
  setText(row.when, Date.now() - Date.parse(createdAt) < DAY_MS ? timeOf(createdAt) : dateOf(createdAt));
  row.state.dataset.state = state;
  setText(row.stateText, DELIVERY_LABEL[state]);
  setText(row.what, [contentText(delivery), KIND_LABEL[kind]].filter(Boolean).join(', '));
  setText(row.result, [resultText(delivery), attempts > 1 ? `${attempts} attempts` : ''].filter(Boolean).join(', '));
  setText(row.next, state === 'retrying' ? nextText(delivery) : '');
}

/** What the last attempt came to. @param {Delivery} delivery */
function resultText({ lastCategory, lastStatus, lastLatencyMs }) {
  if (lastCategory) return failureText(lastCategory, lastStatus);
  if (lastStatus === null) return '';
  return lastLatencyMs === null ? String(lastStatus) : `${lastStatus} in ${duration(lastLatencyMs)}`;
}

/** @param {Delivery} delivery */
function nextText({ nextAttemptAt }) {
  if (!nextAttemptAt) return '';
  const wait = Date.parse(nextAttemptAt) - Date.now();
  return wait > 0 ? `next attempt in ${brief(wait)}, ${timeOf(nextAttemptAt)}` : 'next attempt is due';
}
