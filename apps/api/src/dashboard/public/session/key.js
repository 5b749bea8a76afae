/** Which key a tab goes on with, when its address brings one. */
import { confirmed } from '../elements/confirm.js';

const KEY_ITEM = 'tributary-key';
const REASON_ITEM = 'tributary-reason';

/**
 * A link may bring a key (`#key=`). It takes the place of the key of a signed-in tab only after a yes: whoever made the link knows
 * its key, and could otherwise have somebody work in their name without noticing.
 * @param {string | null | undefined} stored of the tab
 * @param {string | undefined} brought by its address
 * @param {() => Promise<boolean>} ask
 * @returns {Promise<string | undefined>} undefined when there is none
 */
export async function keyToUse(stored, brought, ask) {
  if (!brought || brought === stored) return stored || undefined;
  if (!stored) return brought;
  return (await ask()) ? brought : stored;
}

/** The key of this tab; undefined while it is not signed in. */
export const storedKey = () => sessionStorage.getItem(KEY_ITEM) ?? undefined;

/** @param {string} key */
export const keepKey = (key) => sessionStorage.setItem(KEY_ITEM, key);

export const forgetKey = () => sessionStorage.removeItem(KEY_ITEM);

/** Leaves the dashboard and everything it knew. @param {string} reason shown at the form that follows */
export function signOut(reason = '') {
  forgetKey();
  sessionStorage.setItem(REASON_ITEM, reason);
  location.reload();
}

/** Why the tab was signed out, the first time it is asked; empty where there is nothing to say. */
export function takeSignOutReason() {
  const reason = sessionStorage.getItem(REASON_ITEM) ?? '';
  sessionStorage.removeItem(REASON_ITEM);
  return reason;
}

/** A key in the fragment never reaches the server; it leaves the address bar and the history at once. The view stays there. */
export function keyFromAddress() {
  const parts = new URLSearchParams(location.hash.slice(1));
  const key = parts.get('key');
  if (key === null) return undefined;
  parts.delete('key');
  const [view] = parts.keys();
  history.replaceState(null, '', location.pathname + location.search + (view ? `#${view}` : ''));
  return key;
}

/** Whether a tab that is signed in goes on with the key of its address. */
export function askForOtherKey() {
  return confirmed({
    title: 'Use the key of this link?',
    text: 'The link brings another key than the one this tab is signed in with. Say yes only if the link is your own: whoever made it knows its key, and sees what you do with it.',
    yes: 'Use the other key',
    no: 'Stay signed in',
    danger: false,
  });
}
