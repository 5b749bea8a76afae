/** What the page knows: creators, their live numbers from the stream, and totals. No elements here. */
import { stateOfCreator } from './creator-words.js';

const BUCKET_MS = 2_000;
const BUCKETS = 30;

/** Counts over the last minute, in buckets of two seconds. */
export class Rate {
  constructor() {
    this.buckets = Array.from({ length: BUCKETS }, () => 0);
    this.at = Math.floor(Date.now() / BUCKET_MS);
  }

  add(count = 1) {
    this.roll();
    this.buckets[BUCKETS - 1] += count;
  }

  roll() {
    const now = Math.floor(Date.now() / BUCKET_MS);
    for (let steps = Math.min(BUCKETS, now - this.at); steps > 0; steps--) {
      this.buckets.shift();
      this.buckets.push(0);
    }
    this.at = now;
  }

  /** Per second, over the last ten seconds that are complete. */
  perSecond() {
    this.roll();
    return this.buckets.slice(-6, -1).reduce((sum, value) => sum + value, 0) / ((5 * BUCKET_MS) / 1000);
  }

  /** The complete buckets, oldest first. */
  series() {
    this.roll();
    return this.buckets.slice(0, -1);
  }
}

/** Order in which creators are shown. */
const WEIGHT = { live: 0, reconnecting: 1, connecting: 2, error: 3, blocked: 3, gated: 3, unknown: 4, offline: 5, paused: 6 };

export class Model {
  constructor() {
    this.creators = new Map();
    this.rate = new Rate();
    this.seen = 0;
    this.gaps24h = undefined;
    this.sessions = new Map();
  }

  /** Takes the list of creators; forgets those that are gone. */
  takeCreators(list) {
    const before = this.creators;
    this.creators = new Map(
      list.map((view) => {
        const known = before.get(view.id) ?? { rate: new Rate(), viewers: null };
        const sameRoom = known.view?.roomId === view.roomId;
        return [view.id, { ...known, view, viewers: view.state === 'live' ? (view.viewers ?? (sameRoom ? known.viewers : null)) : null }];
      }),
    );
  }

  /** Takes the sessions that are live. The stream is ahead of their counts, so that a number never falls. */
  takeSessions(list) {
    const before = this.sessions;
    this.sessions = new Map(
      list.map((session) => {
        const known = before.get(session.roomId);
        return [
          session.roomId,
          {
            ...session,
            diamonds: Math.max(session.diamonds, known?.diamonds ?? 0),
            roomLikes: Math.max(session.roomLikes, known?.roomLikes ?? 0),
          },
        ];
      }),
    );
  }

  /** Takes a live event. */
  takeEvent(event) {
    this.seen += 1;
    this.rate.add();
    const creator = this.creators.get(event.subject);
    creator?.rate.add();
    const session = this.sessions.get(event.roomid);
    if (event.type === 'tiktok.live.roomUser' && creator) creator.viewers = event.data.viewers;
    if (event.type === 'tiktok.live.gift' && session) session.diamonds += event.data.totalDiamonds ?? 0;
    if (event.type === 'tiktok.live.like' && session) session.roomLikes = Math.max(session.roomLikes, event.data.roomLikes ?? 0);
    if (event.type === 'monitor.gap' && this.gaps24h !== undefined) this.gaps24h += 1;
  }

  session(creator) {
    return creator.view.roomId ? this.sessions.get(creator.view.roomId) : undefined;
  }

  counts() {
    const counts = { all: 0 };
    for (const { view } of this.creators.values()) {
      const state = stateOfCreator(view);
      counts.all += 1;
      counts[state] = (counts[state] ?? 0) + 1;
    }
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

  /** Creators that match, live ones with large audiences first. */
  shown(search, group) {
    const text = search.trim().replace(/^@/, '').toLowerCase();
    return [...this.creators.values()]
      .filter(({ view }) => (!text || view.uniqueId.includes(text) || view.title?.toLowerCase().includes(text)) && (group === 'all' || groupOf(view) === group))
      .sort(
        (a, b) =>
          WEIGHT[stateOfCreator(a.view)] - WEIGHT[stateOfCreator(b.view)] ||
          size(b) - size(a) ||
          (a.view.uniqueId < b.view.uniqueId ? -1 : 1),
      );
  }
}

/** Audience in powers of two: an order that does not change with every viewer who comes or goes. */
const size = ({ viewers }) => Math.round(Math.log2((viewers ?? 0) + 1));

/** The few groups that a person filters by. */
export function groupOf(view) {
  const state = stateOfCreator(view);
  if (state === 'connecting' || state === 'reconnecting') return 'connecting';
  if (state === 'error' || state === 'blocked' || state === 'gated') return 'trouble';
  return state;
}
