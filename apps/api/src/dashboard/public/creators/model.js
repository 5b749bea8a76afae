/** What the page knows: creators, their live numbers from the stream, and totals. No elements here. */
import { isOf } from '../api/events.js';
import { groupOfCreator, stateOfCreator } from './words.js';
import { Rate } from './rate.js';

/** @import { Creator, CreatorState, Session } from '../api/answers.js' */
/** @import { LiveEvent } from '../api/event-data.js' */
/** @import { CreatorGroup } from './words.js' */

/**
 * A creator with its live numbers; `viewers` null where they are not known.
 * @typedef {{ view: Creator, rate: Rate, viewers: number | null }} Monitored
 */

/**
 * Order in which creators are shown.
 * @type {Record<CreatorState, number>}
 */
const WEIGHT = { live: 0, reconnecting: 1, connecting: 2, error: 3, blocked: 3, gated: 3, unknown: 4, offline: 5, paused: 6 };

export class Model {
  /** By internal id. @type {Map<string, Monitored>} */
  creators = new Map();
  /** Those that are live, by room. @type {Map<string, Session>} */
  sessions = new Map();
  rate = new Rate();
  /** Events since the page was opened. */
  seen = 0;
  /** Gaps of the last 24 hours; undefined until they are read. @type {number | undefined} */
  gaps24h;

  /** Takes the list of creators; forgets those that are gone. @param {Creator[]} list */
  takeCreators(list) {
    const before = this.creators;
    this.creators = new Map(
      list.map((view) => {
        const known = before.get(view.id);
        const viewersBefore = known?.view.roomId === view.roomId ? known.viewers : null;
        return [view.id, { view, rate: known?.rate ?? new Rate(), viewers: view.state === 'live' ? (view.viewers ?? viewersBefore) : null }];
      }),
    );
  }

  /**
   * Takes the sessions that are live. The stream is ahead of their counts, so that a number never falls.
   * @param {Session[]} list
   */
  takeSessions(list) {
    const before = this.sessions;
    this.sessions = new Map(
      list.map((session) => {
        const known = before.get(session.roomId);
        const ahead = {
          diamonds: Math.max(session.diamonds, known?.diamonds ?? 0),
          roomLikes: Math.max(session.roomLikes, known?.roomLikes ?? 0),
        };
        return [session.roomId, { ...session, ...ahead }];
      }),
    );
  }

  /** Takes a live event. @param {LiveEvent} event */
  takeEvent(event) {
    this.seen += 1;
    this.rate.add();
    const creator = this.creators.get(event.subject);
    creator?.rate.add();
    const session = this.sessions.get(event.roomid);
    if (isOf(event, 'tiktok.live.roomUser') && creator) creator.viewers = event.data.viewers;
    if (isOf(event, 'tiktok.live.gift') && session) session.diamonds += event.data.totalDiamonds ?? 0;
    if (isOf(event, 'tiktok.live.like') && session) session.roomLikes = Math.max(session.roomLikes, event.data.roomLikes);
    if (isOf(event, 'monitor.gap') && this.gaps24h !== undefined) this.gaps24h += 1;
  }

  /** The session of a creator's room, while it is live. @param {Monitored} creator */
  session({ view: { roomId } }) {
    return roomId === null ? undefined : this.sessions.get(roomId);
  }

  /** How many creators there are of each group. */
  counts() {
    /** @type {Record<CreatorGroup | 'all', number>} */
    const counts = { all: this.creators.size, live: 0, connecting: 0, trouble: 0, offline: 0, paused: 0, unknown: 0 };
    for (const { view } of this.creators.values()) counts[groupOfCreator(view)] += 1;
    return counts;
  }

  totals() {
    let viewers = 0;
    let diamonds = 0;
    for (const creator of this.creators.values()) {
      if (creator.view.state === 'live' && !creator.view.paused) viewers += creator.viewers ?? 0;
    }
    for (const session of this.sessions.values()) diamonds += session.diamonds;
    return { viewers, diamonds };
  }

  /**
   * Creators that match, live ones with large audiences first.
   * @param {string} search
   * @param {CreatorGroup | 'all'} group
   */
  shown(search, group) {
    const text = search.trim().replace(/^@/, '').toLowerCase();
    return [...this.creators.values()]
      .filter(({ view }) => (!text || view.uniqueId.includes(text) || view.title?.toLowerCase().includes(text)) && (group === 'all' || groupOfCreator(view) === group))
      .sort(
        (a, b) =>
          WEIGHT[stateOfCreator(a.view)] - WEIGHT[stateOfCreator(b.view)] ||
          size(b) - size(a) ||
          (a.view.uniqueId < b.view.uniqueId ? -1 : 1),
      );
  }
}

/** Audience in powers of two: an order that does not change with every viewer who comes or goes. @param {Monitored} creator */
const size = ({ viewers }) => Math.round(Math.log2((viewers ?? 0) + 1));
