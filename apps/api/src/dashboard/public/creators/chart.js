/** A session over time. */
import { h, svg } from '../elements/dom.js';
import { count, timeOf } from '../elements/format.js';

/** @import { TimelinePoint } from '../api/answers.js' */

const WIDTH = 820;
const HEIGHT = 170;
const LEFT = 44;
const BOTTOM = 22;

/** Viewers as a curve, diamonds as bars, over the time of the session. @param {TimelinePoint[]} points in order of time */
export function chart(points) {
  const [first, end] = [points[0], points.at(-1)];
  if (!first || !end || points.length < 2) return h('p', { class: 'muted' }, 'Its curve appears after a few moments.');
  const from = Date.parse(first.at);
  const span = Math.max(1, Date.parse(end.at) - from);
  /** @param {string} at */
  const x = (at) => LEFT + ((Date.parse(at) - from) / span) * (WIDTH - LEFT - 8);
  const top = HEIGHT - BOTTOM;
  const seen = points.flatMap(({ at, viewers }) => (viewers === null ? [] : [{ at, viewers }]));
  const viewersMax = Math.max(1, ...seen.map(({ viewers }) => viewers));
  const diamondsMax = Math.max(1, ...points.map(({ diamonds }) => diamonds));
  /** @param {number} viewers */
  const y = (viewers) => top - (viewers / viewersMax) * (top - 12);
  const line = seen.map(({ at, viewers }, i) => `${i ? 'L' : 'M'}${x(at).toFixed(1)} ${y(viewers).toFixed(1)}`).join('');
  const barWidth = Math.max(1.5, Math.min(8, (WIDTH - LEFT) / points.length - 2));
  const grid = [0, 0.5, 1].flatMap((share) => [
    svg('line', { class: 'grid', x1: LEFT, x2: WIDTH, y1: y(viewersMax * share), y2: y(viewersMax * share) }),
    svg('text', { x: LEFT - 8, y: y(viewersMax * share) + 4, 'text-anchor': 'end' }, count(Math.round(viewersMax * share))),
  ]);
  const bars = points
    .filter(({ diamonds }) => diamonds > 0)
    .map(({ at, diamonds }) => {
      const height = Math.max(2, (diamonds / diamondsMax) * (top - 12) * 0.55);
      const title = svg('title', {}, `${timeOf(at)}: ${count(diamonds)} diamonds`);
      return svg('rect', { class: 'bars', x: x(at) - barWidth / 2, y: top - height, width: barWidth, height, rx: 1.5 }, title);
    });
  const times = [0, 0.5, 1].map((share) =>
    svg('text', { x: LEFT + share * (WIDTH - LEFT - 8), y: HEIGHT - 5, 'text-anchor': share === 0 ? 'start' : share === 1 ? 'end' : 'middle' }, timeOf(from + span * share)),
  );
  const [begin, last] = [seen[0], seen.at(-1)];
  const area = begin && last ? [svg('path', { class: 'area', d: `${line}L${x(last.at)} ${top}L${x(begin.at)} ${top}Z` }), svg('path', { class: 'curve', d: line })] : [];
  return svg('svg', { class: 'chart', viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: 'img', 'aria-label': `Viewers over time, at most ${viewersMax}` }, ...grid, ...bars, ...area, ...times);
}
