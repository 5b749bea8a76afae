/** The newest recorded gaps. */
import { isOf } from '../api/events.js';
import { byId, h } from '../elements/dom.js';
import { count, dateOf, duration } from '../elements/format.js';
import { gapMs, gapReason } from '../feed/event-words.js';

/** @import { EventOf, LiveEvent } from '../api/event-data.js' */

const GAPS_MAX = 20;

/** @typedef {EventOf<'monitor.gap'>} Gap */

export class Gaps {
  /** Each once, by the id of its event. @type {Map<string, Gap>} */
  gaps = new Map();

  /** Takes those of the events that are gaps. @param {LiveEvent[]} events */
  take(events) {
    for (const event of events) if (isOf(event, 'monitor.gap')) this.gaps.set(event.id, event);
    const newest = [...this.gaps.values()].sort((a, b) => (a.receivedat < b.receivedat ? 1 : -1)).slice(0, GAPS_MAX);
    this.gaps = new Map(newest.map((gap) => [gap.id, gap]));
    byId('gaps-empty').hidden = newest.length > 0;
    byId('gaps').replaceChildren(...newest.map(draw));
  }
}

/** @param {Gap} gap */
function draw({ creator, data }) {
  const missed = data.missedEstimate ? `, about ${count(data.missedEstimate)} events` : '';
  return h(
    'li',
    {},
    h('strong', {}, `@${creator}`),
    h('span', {}, duration(gapMs(data))),
    h('span', { class: 'muted' }, `${gapReason(data.reason)}${missed}`),
    h('span', { class: 'muted' }, dateOf(data.from)),
  );
}
