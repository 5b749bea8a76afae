/** A signed-in dashboard: keeps what it knows fresh, and hands it to the parts that draw it. */
import { ApiError } from './api/client.js';
import { isOf } from './api/events.js';
import { LiveFeed } from './api/live-feed.js';
import { readPages, readPast } from './api/past.js';
import { AddDialog } from './creators/add.js';
import { Cards } from './creators/cards.js';
import { Detail } from './creators/detail.js';
import { Model } from './creators/model.js';
import { confirmed } from './elements/confirm.js';
import { byId, setText, spark, toast } from './elements/dom.js';
import { count, decimal, duration, plural } from './elements/format.js';
import { Feed } from './feed/feed.js';
import { signOut } from './session/key.js';
import { Gaps } from './system/gaps.js';
import { lagTone, renderHealth } from './system/health.js';
import { Webhooks } from './webhooks/list.js';

/** @import { Api } from './api/client.js' */
/** @import { LiveEvent } from './api/event-data.js' */
/** @import { FeedState } from './api/live-feed.js' */

const CREATORS_MS = 5_000;
const SESSIONS_MS = 10_000;
const STATUS_MS = 5_000;
const DRAW_MS = 1_000;
/** Changes of state that come within this time are read as one. */
const CHANGES_MS = 400;
const CREATORS_MAX = 5_000;
const PAST_TYPES = ['tiktok.live.chat', 'tiktok.live.gift', 'tiktok.live.follow', 'tiktok.live.share', 'monitor.*'];
const PAST_EVENTS_MAX = 150;
const PAGE_MAX = 1_000;
const DAY_MS = 86_400_000;
/** @type {Record<FeedState, string>} */
const CONNECTION_TEXT = { connecting: 'Connecting…', open: 'Live', waiting: 'Reconnecting', refused: 'Not allowed' };

export class Dashboard {
  model = new Model();
  gaps = new Gaps();
  feed = new Feed();
  /** @type {ReturnType<typeof setInterval>[]} */
  timers = [];
  /** What could not be read at the last try, by name. @type {Set<string>} */
  failing = new Set();
  /** Scopes that the key was found to lack. @type {Set<string>} */
  lacks = new Set();
  /** Whether there are more gaps than were read. */
  gapsMore = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  pending;

  /** @param {Api} api */
  constructor(api) {
    this.api = api;
    /** @param {unknown} error */
    const onError = (error) => this.failed(error);
    /** @type {import('./creators/cards.js').CreatorActions} */
    const actions = { onPause: (id, paused) => void this.setPaused(id, paused), onRemove: (id) => void this.remove(id) };
    const add = new AddDialog({ api, onAdded: () => this.loadCreators(), onError });
    this.detail = new Detail({ api, ...actions, onError });
    this.cards = new Cards({ model: this.model, ...actions, onOpen: (id) => void this.detail.open(id), onAdd: () => add.open() });
    this.webhooks = new Webhooks({ api, creators: () => this.model.creators, onError, onLoad: (name, failure) => this.noteLoad(name, failure) });
    this.live = new LiveFeed(api.key, {
      onEvent: (event) => this.takeEvent(event),
      onState: (state, detail) => this.showConnection(state, detail),
      onGap: () => toast('Some events could not be sent again. They are in the API if they were stored.', 'bad'),
    });
  }

  /** How a refresh of one part went. @param {string} name @param {unknown} [failure] */
  noteLoad(name, failure) {
    if (failure) this.failing.add(name);
    else this.failing.delete(name);
    this.showBanner();
    if (failure) this.failed(failure, true);
  }

  async start() {
    this.every(CREATORS_MS, 'creators', () => this.loadCreators());
    this.every(SESSIONS_MS, 'sessions', async () => {
      const { data } = await this.api.call('GET /v1/sessions', { query: { live: true, limit: PAGE_MAX } });
      this.model.takeSessions(data);
    });
    this.every(STATUS_MS, 'status', () => this.loadStatus());
    this.timers.push(setInterval(() => this.draw(), DRAW_MS));
    try {
      await this.loadPast();
    } finally {
      void this.live.run();
    }
  }

  stop() {
    this.live.stop();
    this.webhooks.leave();
    for (const timer of this.timers) clearInterval(timer);
    this.timers = [];
  }

  /**
   * Runs `work` now and then again and again; a failure is shown until it works again.
   * @param {number} ms
   * @param {string} name
   * @param {() => Promise<void>} work
   */
  every(ms, name, work) {
    let running = false;
    const run = async () => {
      if (running || (document.hidden && this.model.creators.size > 0)) return;
      running = true;
      try {
        await work();
        this.noteLoad(name);
      } catch (error) {
        this.noteLoad(name, error);
      } finally {
        running = false;
      }
    };
    void run();
    this.timers.push(setInterval(() => void run(), ms));
  }

  async loadCreators() {
    const list = await readPages(CREATORS_MAX, (cursor) => this.api.call('GET /v1/creators', { query: { limit: PAGE_MAX, cursor } }));
    this.model.takeCreators(list);
    this.feed.setCreators([...this.model.creators.values()]);
    this.draw();
  }

  async loadStatus() {
    const status = await this.api.call('GET /v1/status', {});
    renderHealth(status);
    const { store } = status;
    byId('kpi-lag-card').hidden = store === undefined;
    if (!store) return;
    byId('kpi-lag-card').dataset.tone = lagTone(store);
    setText(byId('kpi-lag'), store.ok ? (store.lag.entries ? duration(store.lag.oldestMs) : '0 s') : '–');
    setText(byId('kpi-lag-note'), store.ok ? `${count(store.lag.entries)} waiting to be stored` : store.reason);
  }

  /** What happened before the page was opened; the stream goes on behind it. */
  async loadPast() {
    const day = new Date(Date.now() - DAY_MS).toISOString();
    const gaps = await this.api.call('GET /v1/events', { query: { type: ['monitor.gap'], order: 'desc', limit: PAGE_MAX, since: day } });
    const { events, position } = await readPast(this.api, PAST_TYPES, PAST_EVENTS_MAX);
    this.live.startAfter(position);
    for (const event of events) this.feed.take(event);
    // Gaps that the first list was too early for are among the events; one in both counts once.
    const listed = new Set(gaps.data.map(({ id }) => id));
    const later = events.filter((event) => isOf(event, 'monitor.gap') && event.receivedat >= day && !listed.has(event.id));
    this.gaps.take([...gaps.data, ...later]);
    this.model.gaps24h = gaps.data.length + later.length;
    this.gapsMore = gaps.more;
    this.draw();
  }

  /** @param {LiveEvent} event */
  takeEvent(event) {
    this.model.takeEvent(event);
    this.feed.take(event);
    if (isOf(event, 'monitor.gap')) this.gaps.take([event]);
    if (isOf(event, 'monitor.webhook')) this.webhooks.hurry();
    else if (event.type.startsWith('monitor.')) this.soon();
  }

  /** A change of state is shown at once, many of them as one. */
  soon() {
    this.pending ??= setTimeout(() => {
      this.pending = undefined;
      this.loadCreators().catch((error) => this.failed(error, true));
    }, CHANGES_MS);
  }

  draw() {
    const { model } = this;
    this.cards.render();
    const counts = model.counts();
    const { viewers, diamonds } = model.totals();
    setText(byId('kpi-live'), count(counts.live));
    byId('kpi-live-card').dataset.tone = counts.live ? 'live' : 'good';
    setText(byId('kpi-live-note'), `of ${plural(counts.all, 'creator')}`);
    setText(byId('kpi-viewers'), count(viewers));
    setText(byId('kpi-rate'), decimal(model.rate.perSecond()));
    setText(byId('kpi-seen'), `${count(model.seen)} since this page opened`);
    setText(byId('kpi-diamonds'), count(diamonds));
    if (model.gaps24h !== undefined) setText(byId('kpi-gaps'), `${count(model.gaps24h)}${this.gapsMore ? '+' : ''}`);
    byId('kpi-gaps-card').dataset.tone = model.gaps24h ? 'warn' : 'good';
    spark(byId('kpi-spark'), model.rate.series(), 120, 36);
    document.title = `${byId('view-webhooks').hidden ? (counts.live ? `${counts.live} live` : 'Creators') : 'Webhooks'} · Tributary`;
  }

  /** @param {FeedState} state @param {string} [detail] */
  showConnection(state, detail) {
    byId('connection').dataset.state = state;
    setText(byId('connection-text'), detail ? `${CONNECTION_TEXT[state]} in ${detail}` : CONNECTION_TEXT[state]);
    if (state === 'refused') this.leave('This key is no longer accepted.');
  }

  showBanner() {
    const banner = byId('banner');
    banner.hidden = this.failing.size === 0;
    if (!banner.hidden) setText(banner, `Some numbers are out of date: the API does not give ${[...this.failing].join(', ')}. Trying again.`);
  }

  /**
   * Shows what the API refused. What is no refusal is a fault of the page, and goes on to the browser.
   * @param {unknown} error
   * @param {boolean} quiet without a message: it is shown elsewhere
   */
  failed(error, quiet = false) {
    if (!(error instanceof ApiError)) throw error;
    if (error.status === 401) return this.leave('This key is not known, or was revoked.');
    const scope = error.problem?.neededScope;
    if (scope) this.lacks.add(scope);
    // What this key may not do is not offered any more.
    document.documentElement.dataset.lacks = [...this.lacks].join(' ');
    if (!quiet) toast(error.status === 403 && scope ? `This key may not do that: it lacks the scope ${scope}.` : error.message, 'bad');
  }

  /** @param {string} [reason] */
  leave(reason) {
    this.stop();
    signOut(reason);
  }

  /** @param {string} id @param {boolean} paused */
  async setPaused(id, paused) {
    try {
      const view = await this.api.call('PATCH /v1/creators/{creator}', { path: { creator: id }, body: { paused } });
      toast(`@${view.uniqueId} is ${paused ? 'paused' : 'monitored again'}.`);
      await this.loadCreators();
    } catch (error) {
      this.failed(error);
    }
  }

  /** @param {string} id */
  async remove(id) {
    const name = this.model.creators.get(id)?.view.uniqueId ?? id;
    const text = 'It is no longer monitored. Its stored events stay, and it comes back with them when you add it again.';
    if (!(await confirmed({ title: `Remove @${name}?`, text }))) return;
    try {
      await this.api.call('DELETE /v1/creators/{creator}', { path: { creator: id } });
      toast(`@${name} was removed.`);
      await this.loadCreators();
    } catch (error) {
      this.failed(error);
    }
  }
}
