/** The live feed: readable lines, newest first, bounded however many events come. */
import { byId, count, duration, h, icon, timeOf } from './dom.js';

const LINES_MAX = 200;
const KINDS = [
  ['chat', 'Chat', true],
  ['gift', 'Gifts', true],
  ['like', 'Likes', false],
  ['join', 'Joins', false],
  ['social', 'Follows, shares', true],
  ['system', 'System', true],
  ['other', 'Other', false],
];

const KIND_OF = {
  chat: 'chat',
  question: 'chat',
  emote: 'chat',
  caption: 'chat',
  gift: 'gift',
  envelope: 'gift',
  subscribe: 'gift',
  superFan: 'gift',
  like: 'like',
  member: 'join',
  follow: 'social',
  share: 'social',
  social: 'social',
};

const GAP_TEXT = {
  disconnect: 'the connection broke',
  silence: 'the connection fell silent',
  takeover: 'another worker took over',
  blocked: 'TikTok refused',
  'buffer-full': 'the buffer was full',
  paused: 'it was paused',
  shutdown: 'its worker stopped',
};

export class Feed {
  /** @param {{onCreator: (id: string) => void}} options */
  constructor() {
    this.kinds = new Set(KINDS.filter(([, , on]) => on).map(([kind]) => kind));
    this.creator = '';
    this.held = false;
    this.waiting = [];
    this.recent = [];
    this.scheduled = false;
    this.list = byId('feed');
    byId('type-filter').replaceChildren(...KINDS.map(([kind, label]) => this.makeChip(kind, label)));
    byId('feed-creator').addEventListener('change', ({ target }) => {
      this.creator = target.value;
      this.redraw();
    });
    const pause = byId('feed-pause');
    pause.addEventListener('click', () => {
      this.held = !this.held;
      pause.setAttribute('aria-pressed', String(this.held));
      if (!this.held) this.redraw();
    });
  }

  makeChip(kind, label) {
    return h(
      'button',
      {
        class: 'chip',
        type: 'button',
        'aria-pressed': String(this.kinds.has(kind)),
        onclick: ({ currentTarget }) => {
          if (!this.kinds.delete(kind)) this.kinds.add(kind);
          currentTarget.setAttribute('aria-pressed', String(this.kinds.has(kind)));
          this.redraw();
        },
      },
      label,
    );
  }

  /** Names in the list of creators to choose from. */
  setCreators(creators) {
    const select = byId('feed-creator');
    const names = creators.map(({ view }) => [view.id, `@${view.uniqueId}`]).sort((a, b) => (a[1] < b[1] ? -1 : 1));
    const key = names.join();
    if (select.dataset.key === key) return;
    select.dataset.key = key;
    select.replaceChildren(h('option', { value: '' }, 'All creators'), ...names.map(([id, name]) => h('option', { value: id }, name)));
    select.value = names.some(([id]) => id === this.creator) ? this.creator : '';
    this.creator = select.value;
  }

  /** Takes an event. Only the newest of each kind are kept, so that a flood of one does not push out the others. */
  take(event) {
    const line = lineOf(event);
    if (!line) return;
    this.keep(line);
    if (this.held || !this.shows(line)) return;
    this.waiting.push(line);
    if (this.waiting.length > LINES_MAX) this.waiting.shift();
    if (this.scheduled) return;
    this.scheduled = true;
    requestAnimationFrame(() => this.flush());
  }

  keep(line) {
    this.recent.push(line);
    if (this.recent.length < LINES_MAX * 8) return;
    const left = {};
    this.recent = this.recent
      .reverse()
      .filter(({ kind }) => (left[kind] = (left[kind] ?? 0) + 1) <= LINES_MAX)
      .reverse();
  }

  shows(line) {
    return this.kinds.has(line.kind) && (!this.creator || line.creatorId === this.creator);
  }

  flush() {
    this.scheduled = false;
    const lines = this.waiting.splice(0).reverse().map(draw);
    this.list.prepend(...lines);
    while (this.list.children.length > LINES_MAX) this.list.lastChild.remove();
    byId('feed-empty').hidden = this.list.children.length > 0;
  }

  redraw() {
    this.waiting = this.recent.filter((line) => this.shows(line)).slice(-LINES_MAX);
    this.list.replaceChildren();
    this.flush();
    byId('feed-empty').textContent = this.recent.length > 0 ? 'Nothing of this kind yet.' : 'Waiting for the first event…';
  }
}

function draw(line) {
  const parts = line.parts.map((part) => (typeof part === 'string' ? part : h('span', { class: part.gem ? 'line-gem' : 'line-who' }, part.gem ?? part.who)));
  return h(
    'li',
    { class: 'line', data: { kind: line.kind } },
    h('span', { class: 'line-icon' }, icon(line.icon)),
    h('span', { class: 'line-text' }, ...parts, h('span', { class: 'line-creator' }, `@${line.creator}`)),
    h('time', { class: 'line-time', datetime: line.time }, timeOf(line.time)),
  );
}

/** An event as a readable line; undefined for what only moves a number. */
function lineOf(event) {
  const name = event.type.replace('tiktok.live.', '');
  const system = event.type.startsWith('monitor.');
  const data = event.data;
  const who = { who: data.user?.nickname || data.user?.uniqueId || 'Somebody' };
  const base = { id: event.id, creator: event.creator, creatorId: event.subject, time: event.receivedat, kind: system ? 'system' : (KIND_OF[name] ?? 'other'), icon: 'system' };
  const line = (icon, ...parts) => ({ ...base, icon, parts });
  switch (event.type) {
    case 'tiktok.live.roomUser':
      return undefined;
    case 'tiktok.live.chat':
      return line('chat', who, ` ${data.comment ?? ''}`);
    case 'tiktok.live.question':
      return line('chat', who, ` asks: ${data.question ?? data.text ?? ''}`);
    case 'tiktok.live.gift':
      if (!data.count) return undefined;
      return line('gift', who, ` sent ${count(data.count)} × ${data.name || 'a gift'} `, { gem: `◆ ${count(data.totalDiamonds ?? 0)}` });
    case 'tiktok.live.like':
      return line('like', who, ` liked × ${count(data.count ?? 1)}`);
    case 'tiktok.live.member':
      return line('join', who, ' joined');
    case 'tiktok.live.follow':
      return line('follow', who, ' followed');
    case 'tiktok.live.share':
      return line('share', who, ' shared the live');
    case 'tiktok.live.subscribe':
      return line('gift', who, ' subscribed');
    case 'monitor.live':
      return line('pulse', 'Went live', data.title ? `: ${data.title}` : '');
    case 'monitor.offline':
      return line('pause', `Ended (confirmed by ${data.confirmedBy ?? 'a check'})`);
    case 'monitor.connected':
      return line('pulse', `Connected${data.worker ? ` by ${data.worker}` : ''}${data.provider ? ` through ${data.provider}` : ''}`);
    case 'monitor.disconnected':
      return line('warn', `Disconnected after ${duration(data.durationMs ?? 0)}: ${data.reason}`);
    case 'monitor.gap':
      return line('gap', `Gap of ${duration(gapMs(data))}: ${gapReason(data.reason)}`);
    case 'monitor.error':
      return line('warn', data.message || data.reason);
    default:
      return line('system', data.user ? who : '', ` ${data.comment ?? data.text ?? readable(name)}`);
  }
}

export const gapReason = (reason) => GAP_TEXT[reason] ?? reason;
export const gapMs = ({ from, to }) => Math.max(0, Date.parse(to) - Date.parse(from)) || 0;
const readable = (name) => name.replaceAll(/([a-z])([A-Z])/g, '$1 $2').toLowerCase();
