/** Elements and icons. Everything from outside goes in as text, never as markup. */

/** @import { AnyAttribute, Attributes, Child } from './attributes.js' */
/** @import { PageIds } from './page-ids.js' */

const SVG = 'http://www.w3.org/2000/svg';

/**
 * Makes an element: attributes, `on…` listeners, `data` object, then children (nodes or text).
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Attributes<HTMLElementTagNameMap[T]>} attributes
 * @param {Child[]} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(/** @type {Record<string, AnyAttribute>} */ (attributes))) {
    if (value === undefined || value === null || value === false) continue;
    if (typeof value === 'function') element.addEventListener(name.slice('on'.length), value);
    else if (typeof value === 'object') Object.assign(element.dataset, value);
    else element.setAttribute(name, value === true ? '' : String(value));
  }
  element.append(...children.filter((child) => child !== undefined && child !== null && child !== false));
  return element;
}

/**
 * The same for SVG.
 * @template {keyof SVGElementTagNameMap} T
 * @param {T} tag
 * @param {Record<string, string | number>} attributes
 * @param {(Node | string)[]} children
 * @returns {SVGElementTagNameMap[T]}
 */
export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.append(...children);
  return element;
}

/** @param {string} name of a symbol of index.html, without `i-` */
export const icon = (name) => svg('svg', { class: 'icon', 'aria-hidden': 'true' }, svg('use', { href: `#i-${name}` }));

/**
 * An element of index.html.
 * @template {keyof PageIds} I
 * @param {I} id
 * @returns {ElementOf<PageIds[I]>}
 * @throws {Error} when the page has none of this id
 */
export function byId(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`the page has no element "${id}"`);
  // Its tag is the one of page-ids.d.ts: a test compares them.
  return /** @type {ElementOf<PageIds[I]>} */ (/** @type {Element} */ (element));
}

/**
 * @template T
 * @typedef {T extends keyof HTMLElementTagNameMap ? HTMLElementTagNameMap[T] : T extends keyof SVGElementTagNameMap ? SVGElementTagNameMap[T] : never} ElementOf
 */

/**
 * Sets text only when it differs, so that a refresh repaints nothing.
 * @param {Node} element
 * @param {string} text
 */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * A coloured square with the first letters of a handle; its colour is always the same for the same handle.
 * @param {string} handle
 */
export function avatar(handle) {
  const letters = handle.replace(/[^a-z0-9]/gi, '').slice(0, 2) || '?';
  let hash = 0;
  for (const character of handle) hash = (hash * 31 + (character.codePointAt(0) ?? 0)) % 65_521;
  const element = h('span', { class: 'avatar', 'aria-hidden': 'true' }, letters);
  element.style.setProperty('--hue', String((hash * 137) % 360));
  return element;
}

/**
 * Draws a series as a small curve with an area under it, into an existing `<svg>`.
 * @param {SVGSVGElement} target
 * @param {number[]} series
 * @param {number} width of its view box
 * @param {number} height
 */
export function spark(target, series, width, height) {
  const top = Math.max(1, ...series);
  const step = width / Math.max(1, series.length - 1);
  const line = series.map((value, i) => `${i ? 'L' : 'M'}${(i * step).toFixed(1)} ${(height - 2 - (value / top) * (height - 5)).toFixed(1)}`).join('');
  if (!target.firstElementChild) target.append(svg('path', { class: 'area' }), svg('path'));
  target.firstElementChild?.setAttribute('d', `${line}L${width} ${height}L0 ${height}Z`);
  target.lastElementChild?.setAttribute('d', line);
}

/**
 * A short message in the corner.
 * @param {string} text
 * @param {'good' | 'bad'} tone
 */
export function toast(text, tone = 'good') {
  const element = h('div', { class: 'toast', data: { tone } }, text);
  byId('toasts').append(element);
  setTimeout(() => element.remove(), tone === 'bad' ? 8_000 : 4_000);
}

/**
 * Puts `elements` into `list` in their order. What stands in its place is not moved: moving an element takes the focus from it.
 * @param {Element} list
 * @param {Element[]} elements
 */
export function arrange(list, elements) {
  elements.forEach((element, i) => {
    if (list.children[i] !== element) list.insertBefore(element, list.children[i] ?? null);
  });
}

/**
 * Takes the rows out of the page whose key is not among `kept`.
 * @template {{ element: Element }} Row
 * @param {Map<string, Row>} rows
 * @param {Iterable<string>} kept
 */
export function dropRows(rows, kept) {
  const keys = new Set(kept);
  for (const [key, row] of rows) {
    if (keys.has(key)) continue;
    row.element.remove();
    rows.delete(key);
  }
}
