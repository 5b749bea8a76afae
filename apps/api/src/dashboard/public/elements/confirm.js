/** Asks before something that cannot be taken back. */
import { byId, setText } from './dom.js';

/**
 * Resolves to true for yes; Esc is no, and so is whatever is asked while another question waits.
 * @param {{ title: string, text: string, yes?: string, no?: string, danger?: boolean }} question
 * @returns {Promise<boolean>}
 */
export function confirmed({ title, text, yes = 'Remove', no = 'Keep', danger = true }) {
  const dialog = byId('confirm');
  if (dialog.open) return Promise.resolve(false);
  setText(byId('confirm-title'), title);
  setText(byId('confirm-text'), text);
  setText(byId('confirm-yes'), yes);
  setText(byId('confirm-no'), no);
  byId('confirm-yes').className = `button ${danger ? 'danger' : 'primary'}`;
  dialog.returnValue = 'no';
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener('close', () => resolve(dialog.returnValue === 'yes'), { once: true }));
}
