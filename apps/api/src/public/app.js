/** The dashboard: signs in, keeps what it knows fresh, and hands it to the parts that draw it. */
import { Cards } from './cards.js';
import { Api, ApiError, LiveFeed, readPast } from './client.js';
import { confirmed } from './confirm.js';
import { Detail } from './detail.js';
import { byId, count, decimal, duration, h, setText, spark, toast } from './dom.js';
import { Feed } from './feed.js';
import { Gaps, lagTone, renderHealth } from './health.js';
import { Model } from './model.js';
import { keyToUse } from './session-key.js';
import { Webhooks } from './webhooks.js';

const KEY_ITEM = 'tributary-key';
const REASON_ITEM = 'tributary-reason';
const THEME_ITEM = 'tributary-theme';
const CREATORS_MS = 5_000;
const SESSIONS_MS = 10_000;
const STATUS_MS = 5_000;
const DRAW_MS = 1_000;
const CREATORS_MAX = 5_000;
const PAST_TYPES = ['tiktok.live.chat', 'tiktok.live.gift', 'tiktok.live.follow', 'tiktok.live.share', 'monitor.*'];
const PAST_EVENTS_MAX = 150;
const CONNECTION_TEXT = { connecting: 'Connecting…', open: 'Live', waiting: 'Reconnecting', refused: 'Not allowed' };

class Dashboard {
  constructor(api) {
    this.api = api;
    this.model = new Model();
    this.gaps = new Gaps();
    this.feed = new Feed();
    this.timers = [];
    this.failing = new Set();
    this.lacks = new Set();
    const act = { onPause: (id, paused) => void this.setPaused(id, paused), onRemove: (id) => void this.remove(id) };
    this.detail = new Detail({ api, ...act, onError: (error) => this.failed(error) });
    this.cards = new Cards({ model: this.model, ...act, onOpen: (id) => void this.detail.open(id), onAdd: openAdd });
    this.webhooks = new Webhooks({
      api,
      creators: () => this.model.creators,
      onError: (error) => this.failed(error),
      onLoad: (name, error) => this.noteLoad(name, error),
    });
    this.live = new LiveFeed(api.key, {
      onEvent: (event) => this.takeEvent(event),
      onState: (state, detail) => this.showConnection(state, detail),
      onGap: () => toast('Some events could not be sent again. They are in the API if they were stored.', 'bad'),
    });
  }

  /** What of the webhooks is refreshed says here how it went. */
  noteLoad(name, error) {
    if (error) {
      this.failing.add(name);
      this.failed(error, true);
    } else this.failing.delete(name);
    this.showBanner();
  }

  async start() {
    this.every(CREATORS_MS, 'creators', () => this.loadCreators());
    this.every(SESSIONS_MS, 'sessions', async () => this.model.takeSessions((await this.api.call('GET', '/v1/sessions?live=true&limit=1000')).data));
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

  /** Runs `work` now and then again and again; a failure is shown until it works again. */
  every(ms, name, work) {
    let running = false;
    const run = async () => {
      if (running || (document.hidden && this.model.creators.size > 0)) return;
      running = true;
      try {
        await work();
        this.failing.delete(name);
      } catch (error) {
        this.failing.add(name);
        this.failed(error, true);
      } finally {
        running = false;
        this.showBanner();
      }
    };
    void run();
    this.timers.push(setInterval(() => void run(), ms));
  }

  async loadCreators() {
    const list = [];
    for (let cursor = ''; list.length < CREATORS_MAX;) {
      const page = await this.api.call('GET', `/v1/creators?limit=1000${cursor && `&cursor=${cursor}`}`);
      list.push(...page.data);
      if (page.next === null) break;
      cursor = page.next;
    }
    this.model.takeCreators(list);
    this.feed.setCreators([...this.model.creators.values()]);
    this.draw();
  }

  async loadStatus() {
    const status = await this.api.call('GET', '/v1/status');
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
    const day = new Date(Date.now() - 86_400_000).toISOString();
    const gaps = await this.api.call('GET', `/v1/events?order=desc&limit=1000&type=monitor.gap&since=${day}`);
    const { events, position } = await readPast(this.api, PAST_TYPES, PAST_EVENTS_MAX);
    this.live.startAfter(position);
    for (const event of events) this.feed.take(event);
    // Gaps that the first list was too early for are among the events; one in both counts once.
    const listed = new Set(gaps.data.map(({ id }) => id));
    const later = events.filter(({ id, type, receivedat }) => type === 'monitor.gap' && receivedat >= day && !listed.has(id));
    this.gaps.take([...gaps.data, ...later]);
    this.model.gaps24h = gaps.data.length + later.length;
    this.gapsMore = gaps.more;
    this.draw();
  }

  takeEvent(event) {
    this.model.takeEvent(event);
    this.feed.take(event);
    if (event.type === 'monitor.gap') this.gaps.take([event]);
    if (event.type === 'monitor.webhook') this.webhooks.hurry();
    else if (event.type.startsWith('monitor.')) this.soon();
  }

  /** A change of state is shown at once, many of them as one. */
  soon() {
    this.pending ??= setTimeout(() => {
      this.pending = undefined;
      this.loadCreators().catch((error) => this.failed(error, true));
    }, 400);
  }

  draw() {
    const { model } = this;
    this.cards.render();
    const counts = model.counts();
    const { viewers, diamonds } = model.totals();
    setText(byId('kpi-live'), count(counts.live ?? 0));
    byId('kpi-live-card').dataset.tone = counts.live ? 'live' : 'good';
    setText(byId('kpi-live-note'), `of ${count(counts.all)} ${counts.all === 1 ? 'creator' : 'creators'}`);
    setText(byId('kpi-viewers'), count(viewers));
    setText(byId('kpi-rate'), decimal(model.rate.perSecond()));
    setText(byId('kpi-seen'), `${count(model.seen)} since this page opened`);
    setText(byId('kpi-diamonds'), count(diamonds));
    if (model.gaps24h !== undefined) setText(byId('kpi-gaps'), `${count(model.gaps24h)}${this.gapsMore ? '+' : ''}`);
    byId('kpi-gaps-card').dataset.tone = model.gaps24h ? 'warn' : 'good';
    spark(byId('kpi-spark'), model.rate.series(), 120, 36);
    document.title = `${byId('view-webhooks').hidden ? (counts.live ? `${counts.live} live` : 'Creators') : 'Webhooks'} · Tributary`;
  }

  showConnection(state, detail) {
    const element = byId('connection');
    element.dataset.state = state;
    setText(byId('connection-text'), detail ? `${CONNECTION_TEXT[state]} in ${detail}` : CONNECTION_TEXT[state]);
    if (state === 'refused') signOut('This key is no longer accepted.');
  }

  showBanner() {
    const banner = byId('banner');
    banner.hidden = this.failing.size === 0;
    if (!banner.hidden) setText(banner, `Some numbers are out of date: the API does not give ${[...this.failing].join(', ')}. Trying again.`);
  }

  failed(error, quiet = false) {
    if (error instanceof ApiError && error.status === 401) return signOut('This key is not known, or was revoked.');
    if (!(error instanceof ApiError)) throw error;
    if (error.problem?.neededScope) this.lacks.add(error.problem.neededScope);
    // What this key may not do is not offered any more.
    document.documentElement.dataset.lacks = [...this.lacks].join(' ');
    if (!quiet) toast(error.status === 403 ? `This key may not do that: it lacks the scope ${error.problem?.neededScope}.` : error.message, 'bad');
  }

  async setPaused(id, paused) {
    try {
      const view = await this.api.call('PATCH', `/v1/creators/${id}`, { paused });
      toast(`@${view.uniqueId} is ${paused ? 'paused' : 'monitored again'}.`);
      await this.loadCreators();
    } catch (error) {
      this.failed(error);
    }
  }

  async remove(id) {
    const name = this.model.creators.get(id)?.view.uniqueId ?? id;
    const text = 'It is no longer monitored. Its stored events stay, and it comes back with them when you add it again.';
    if (!(await confirmed({ title: `Remove @${name}?`, text }))) return;
    try {
      await this.api.call('DELETE', `/v1/creators/${id}`);
      toast(`@${name} was removed.`);
      await this.loadCreators();
    } catch (error) {
      this.failed(error);
    }
  }

  /** Adds creators; the result of each is listed where they were typed. */
  async add(names) {
    const { data, created, exists, invalid } = await this.api.call('POST', '/v1/creators/batch', { creators: names });
    const bad = data.filter(({ result }) => result === 'invalid');
    const parts = [created && `${created} added`, exists && `${exists} monitored already`, invalid && `${invalid} not understood`].filter(Boolean);
    byId('add-result').replaceChildren(
      h('p', {}, `${parts.join(', ')}.`),
      h('ul', { class: 'result-list' }, ...bad.map(({ index, reason }) => h('li', { class: 'bad' }, `${names[index]}: ${reason.replace('uniqueId: ', '')}`))),
    );
    await this.loadCreators();
    return bad.map(({ index }) => names[index]);
  }
}

let dashboard;

function openAdd() {
  byId('add-result').replaceChildren();
  byId('add-dialog').showModal();
  byId('add-names').focus();
}

/** What could not be added stays in the field, to be mended. */
async function submitNames() {
  const field = byId('add-names');
  const names = field.value.split(/[\n,]+/).map((name) => name.trim()).filter(Boolean);
  if (names.length === 0) return;
  try {
    field.value = (await dashboard.add(names)).join('\n');
  } catch (error) {
    dashboard?.failed(error);
  }
}

/** Leaves the dashboard and everything it knew; `reason` is shown at the form. */
function signOut(reason = '') {
  dashboard?.stop();
  sessionStorage.removeItem(KEY_ITEM);
  sessionStorage.setItem(REASON_ITEM, reason);
  location.reload();
}

function showForm(reason) {
  byId('signin').hidden = false;
  setText(byId('signin-error'), reason);
  byId('key').focus();
}

async function signIn(key) {
  const api = new Api(key);
  try {
    await api.call('GET', '/v1/creators?limit=1');
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    sessionStorage.removeItem(KEY_ITEM);
    showForm(error.status === 401 ? 'This key is not known, or was revoked.' : error.status === 403 ? 'This key lacks the scope read.' : error.message);
    return;
  }
  sessionStorage.setItem(KEY_ITEM, key);
  byId('signin').hidden = true;
  byId('dashboard').hidden = false;
  dashboard = new Dashboard(api);
  dashboard.start().catch((error) => dashboard?.failed(error));
  route();
}

const THEMES = { auto: 'Auto', light: 'Light', dark: 'Dark' };

function setTheme(theme) {
  if (theme === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  localStorage.setItem(THEME_ITEM, theme);
  setText(byId('theme-label'), THEMES[theme]);
  byId('theme').title = `Theme: ${THEMES[theme]}`;
  byId('theme').dataset.theme = theme;
}

function wire() {
  setTheme(Object.hasOwn(THEMES, localStorage.getItem(THEME_ITEM) ?? '') ? localStorage.getItem(THEME_ITEM) : 'auto');
  byId('theme').addEventListener('click', () => {
    const names = Object.keys(THEMES);
    setTheme(names[(names.indexOf(byId('theme').dataset.theme) + 1) % names.length]);
  });
  byId('signin-form').addEventListener('submit', (event) => {
    event.preventDefault();
    void signIn(byId('key').value.trim());
  });
  byId('signout').addEventListener('click', () => signOut());
  byId('add').addEventListener('click', openAdd);
  for (const button of document.querySelectorAll('[data-close]')) button.addEventListener('click', () => button.closest('dialog').close());
  byId('add-form').addEventListener('submit', (event) => {
    event.preventDefault();
    void submitNames();
  });
  document.querySelector('.skip').addEventListener('click', (event) => {
    event.preventDefault();
    const main = [...document.querySelectorAll('main')].find(({ offsetParent }) => offsetParent !== null);
    main.focus();
    main.scrollIntoView();
  });
  addEventListener('hashchange', addressChanged);
  addEventListener('online', () => dashboard?.live.hurry());
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden) dashboard?.live.hurry();
  });
}

/** A key in the fragment never reaches the server; it leaves the address bar and the history at once. The view stays there. */
function keyFromAddress() {
  const parts = new URLSearchParams(location.hash.slice(1));
  const key = parts.get('key');
  if (key === null) return undefined;
  parts.delete('key');
  const [view] = parts.keys();
  history.replaceState(null, '', location.pathname + location.search + (view ? `#${view}` : ''));
  return key;
}

/** Shows what the address names: `#creators`, `#system`, `#webhooks` or `#webhooks/<endpoint>`. */
function route() {
  const [, view, id = ''] = /^#(creators|system|webhooks)(?:\/([\w-]{1,64}))?$/.exec(location.hash) ?? ['', 'creators'];
  const webhooks = view === 'webhooks';
  const turned = byId('view-webhooks').hidden === webhooks;
  byId('view-creators').hidden = webhooks;
  byId('view-webhooks').hidden = !webhooks;
  byId('nav-creators').setAttribute('aria-current', webhooks ? 'false' : 'page');
  byId('nav-webhooks').setAttribute('aria-current', webhooks ? 'page' : 'false');
  if (webhooks) dashboard?.webhooks.show(id);
  else if (dashboard?.webhooks.visible) dashboard.webhooks.leave();
  if (view === 'system') byId('system').scrollIntoView();
  else if (turned || webhooks) scrollTo(0, 0);
  dashboard?.draw();
}

/** The address has changed: to another view, or to another key. */
function addressChanged() {
  const brought = keyFromAddress();
  if (brought === undefined) return route();
  const stored = sessionStorage.getItem(KEY_ITEM);
  void keyToUse(stored, brought, askForOtherKey).then((key) => {
    if (key === stored) return route();
    sessionStorage.setItem(KEY_ITEM, key);
    location.reload();
  });
}

function askForOtherKey() {
  return confirmed({
    title: 'Use the key of this link?',
    text: 'The link brings another key than the one this tab is signed in with. Say yes only if the link is your own: whoever made it knows its key, and sees what you do with it.',
    yes: 'Use the other key',
    no: 'Stay signed in',
    danger: false,
  });
}

wire();
void keyToUse(sessionStorage.getItem(KEY_ITEM), keyFromAddress(), askForOtherKey).then((key) => {
  if (key) void signIn(key);
  else showForm(sessionStorage.getItem(REASON_ITEM) ?? '');
  sessionStorage.removeItem(REASON_ITEM);
});
