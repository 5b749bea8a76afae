/** Elements, icons and numbers. Everything from outside goes in as text, never as markup. */

const SVG = 'http://www.w3.org/2000/svg';

/** Makes an element: attributes, `on…` listeners, `data` object, then children (nodes or text). */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name === 'data') Object.assign(element.dataset, value);
    else element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.flat().filter((child) => child !== undefined && child !== null && child !== false));
  return element;
}

/** The same for SVG. */
export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

export const icon = (name) => svg('svg', { class: 'icon', 'aria-hidden': 'true' }, svg('use', { href: `#i-${name}` }));

export const byId = (id) => document.getElementById(id);

/** Sets text only when it differs, so that a refresh repaints nothing. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });
const oneDigit = new Intl.NumberFormat('en', { maximumFractionDigits: 1 });
const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit', hour12: false });
const dayClock = new Intl.DateTimeFormat(undefined, { month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit', hour12: false });

/** 1,234 up to five digits, then 12.3K. */
export const count = (value) => (value === null || value === undefined ? '–' : value < 100_000 ? whole.format(value) : compact.format(value));
export const decimal = (value) => (value >= 100 ? count(value) : oneDigit.format(value));
export const timeOf = (text) => clock.format(new Date(text));
export const dateOf = (text) => dayClock.format(new Date(text));

/** A duration in its largest unit, for places with little room. */
export function brief(ms) {
  const minutes = Math.floor(ms / 60_000);
  return minutes < 1 ? `${Math.round(ms / 1000)} s` : minutes < 60 ? `${minutes} min` : minutes < 2_880 ? `${Math.floor(minutes / 60)} h` : `${Math.floor(minutes / 1_440)} days`;
}

/** A duration in its two largest units. */
export function duration(ms) {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min${seconds % 60 ? ` ${seconds % 60} s` : ''}`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} days`;
}

export function bytes(value) {
  const units = ['B', 'KB', 'MB', 'GB', 'TB'];
  const power = value > 0 ? Math.min(units.length - 1, Math.floor(Math.log(value) / Math.log(1024))) : 0;
  return `${oneDigit.format(value / 1024 ** power)} ${units[power]}`;
}

/** A coloured square with the first letters of a handle; its colour is always the same for the same handle. */
export function avatar(handle) {
  const letters = handle.replace(/[^a-z0-9]/gi, '').slice(0, 2) || '?';
  let hash = 0;
  for (const character of handle) hash = (hash * 31 + character.codePointAt(0)) % 65_521;
  const element = h('span', { class: 'avatar', 'aria-hidden': 'true' }, letters);
  element.style.setProperty('--hue', String((hash * 137) % 360));
  return element;
}

/** Draws a series as a small curve with an area under it, into an existing `<svg>` of the given size. */
export function spark(target, series, width, height) {
  const top = Math.max(1, ...series);
  const step = width / Math.max(1, series.length - 1);
  const line = series.map((value, i) => `${i ? 'L' : 'M'}${(i * step).toFixed(1)} ${(height - 2 - (value / top) * (height - 5)).toFixed(1)}`).join('');
  if (!target.firstChild) target.append(svg('path', { class: 'area' }), svg('path', {}));
  target.firstChild.setAttribute('d', `${line}L${width} ${height}L0 ${height}Z`);
  target.lastChild.setAttribute('d', line);
}

/** A short message in the corner. */
export function toast(text, tone = 'good') {
  const element = h('div', { class: 'toast', data: { tone } }, text);
  byId('toasts').append(element);
  setTimeout(() => element.remove(), tone === 'bad' ? 8_000 : 4_000);
}
