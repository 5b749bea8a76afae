/** Light, dark, or what the system says. */
import { byId, setText } from '../elements/dom.js';

const ITEM = 'tributary-theme';
const THEMES = { auto: 'Auto', light: 'Light', dark: 'Dark' };

/** @typedef {keyof typeof THEMES} Theme */

/** @type {Theme[]} */
const ORDER = ['auto', 'light', 'dark'];

/** Takes the theme that was chosen before, and lets the button choose the next one. */
export function wireTheme() {
  let theme = stored();
  setTheme(theme);
  byId('theme').addEventListener('click', () => {
    theme = ORDER[(ORDER.indexOf(theme) + 1) % ORDER.length] ?? 'auto';
    localStorage.setItem(ITEM, theme);
    setTheme(theme);
  });
}

/** @returns {Theme} */
function stored() {
  const item = localStorage.getItem(ITEM);
  return ORDER.find((theme) => theme === item) ?? 'auto';
}

/** @param {Theme} theme */
function setTheme(theme) {
  if (theme === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  setText(byId('theme-label'), THEMES[theme]);
  byId('theme').title = `Theme: ${THEMES[theme]}`;
}
