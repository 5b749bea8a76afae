/** One creator in full: what it does now, its session over time, who gives most, earlier sessions. */
import { byId, h, icon } from '../elements/dom.js';
import { count, dateOf, duration, timeOf } from '../elements/format.js';
import { chart } from './chart.js';
import { aboutCreator, endText, problemText, queueText, sinceText, STATE_LABEL, stateOfCreator } from './words.js';

/** @import { Bucket, CreatorDetail, Leader, Session, SessionDetail, Timeline } from '../api/answers.js' */
/** @import { Call } from '../api/routes.js' */
/** @import { Child } from '../elements/attributes.js' */
/** @import { CreatorActions } from './cards.js' */

const SESSIONS_SHOWN = 8;
const LEADERS_SHOWN = 8;

export class Detail {
  dialog = byId('detail');

  /** @param {CreatorActions & { api: { call: Call }, onError: (error: unknown) => void }} options */
  constructor(options) {
    this.options = options;
    this.dialog.addEventListener('click', (event) => {
      if (event.target === this.dialog) this.dialog.close();
    });
  }

  /** @param {string} id */
  async open(id) {
    const { api, onError } = this.options;
    try {
      const creator = await api.call('GET /v1/creators/{creator}', { path: { creator: id } });
      this.show(this.head(creator), h('p', { class: 'muted' }, 'Loading its sessions…'));
      if (!this.dialog.open) this.dialog.showModal();
      const { data: sessions } = await api.call('GET /v1/sessions', { query: { creator: [id], limit: SESSIONS_SHOWN } });
      const [newest, ...earlier] = sessions;
      const session = newest ? await this.loadSession(newest) : [noSession()];
      this.show(this.head(creator), ...session, ...history(earlier), ...counters(creator));
    } catch (error) {
      onError(error);
    }
  }

  /** @param {Child[]} head @param {Child[]} parts */
  show(head, ...parts) {
    this.dialog.replaceChildren(...[...head, ...parts].filter((part) => part !== undefined && part !== null && part !== false));
  }

  /** @param {Session} session */
  async loadSession({ roomId, startedAt, lastEventAt }) {
    const { api } = this.options;
    const path = { roomId };
    const bucket = bucketOf(Date.parse(lastEventAt) - Date.parse(startedAt));
    const [full, timeline, leaders] = await Promise.all([
      api.call('GET /v1/sessions/{roomId}', { path }),
      api.call('GET /v1/sessions/{roomId}/timeline', { path, query: { bucket } }),
      api.call('GET /v1/sessions/{roomId}/leaderboard', { path, query: { by: 'diamonds', limit: LEADERS_SHOWN } }),
    ]);
    return sessionParts(full, timeline, leaders.data);
  }

  /** @param {CreatorDetail} view */
  head(view) {
    const state = stateOfCreator(view);
    const close = () => this.dialog.close();
    /** @param {() => void} work */
    const act = (work) => () => {
      close();
      work();
    };
    const former = view.handles.filter(({ uniqueId }) => uniqueId !== view.uniqueId).map(({ uniqueId }) => `@${uniqueId}`);
    return [
      h(
        'header',
        { class: 'dialog-head' },
        h('h2', { id: 'detail-name' }, `@${view.uniqueId}`),
        h('button', { class: 'button', type: 'button', data: { needs: 'creators:write' }, onclick: act(() => this.options.onPause(view.id, !view.paused)) }, icon(view.paused ? 'play' : 'pause'), view.paused ? 'Resume' : 'Pause'),
        h('button', { class: 'button', type: 'button', data: { needs: 'creators:write' }, onclick: act(() => this.options.onRemove(view.id)) }, icon('trash'), 'Remove'),
        h('button', { class: 'button icon-only ghost', type: 'button', onclick: close }, icon('close'), h('span', { class: 'visually-hidden' }, 'Close')),
      ),
      h(
        'div',
        { class: 'detail-sub' },
        h('span', { class: 'state', data: { state } }, h('span', { class: 'dot' }), STATE_LABEL[state]),
        h('span', {}, sinceText(view)),
        view.queue && h('span', {}, queueText(view.queue)),
        h('span', {}, aboutCreator(view)),
        view.worker && view.title ? h('span', {}, `held by ${view.worker}`) : undefined,
        former.length > 0 && h('span', {}, `formerly ${former.join(', ')}`),
        h('code', {}, view.id),
      ),
      view.lastError && h('p', { class: 'card-error' }, icon('warn'), h('span', {}, `${timeOf(view.lastError.at)}: ${problemText(view.lastError, state)}`)),
    ];
  }
}

/** Buckets so wide that a session has some dozens of them to some hundreds. @param {number} ms @returns {Bucket} */
function bucketOf(ms) {
  const minutes = ms / 60_000;
  return minutes < 20 ? '10s' : minutes < 180 ? '1m' : minutes < 2_880 ? '5m' : '1h';
}

const noSession = () => h('p', { class: 'empty' }, 'No session is stored yet: it has not been live since it is monitored.');

/** @param {SessionDetail} full @param {Timeline} timeline @param {Leader[]} leaders */
function sessionParts(full, timeline, leaders) {
  return [
    h('h3', {}, full.endedAt ? `Last session, ${dateOf(full.startedAt)} to ${dateOf(full.endedAt)}${full.endReason ? `: ${endText(full.endReason)}` : ''}` : `This session, since ${dateOf(full.startedAt)}`),
    numbers([
      ['peak viewers', count(full.viewers.peak)],
      ['average', count(Math.round(full.viewers.average))],
      ['diamonds', full.unpricedGifts ? `${count(full.diamonds)} and ${count(full.unpricedGifts)} gifts of unknown price` : count(full.diamonds)],
      ['gifters', count(full.gifters)],
      ['comments', count(full.chats)],
      ['commenters', count(full.chatters)],
      ['likes', count(full.roomLikes)],
      ['gaps', full.gaps ? `${full.gaps} (${duration(full.gapMs)})` : '0'],
    ]),
    chart(timeline.data),
    h('p', { class: 'legend' }, h('span', {}, 'viewers'), h('span', { class: 'gem' }, `diamonds in ${timeline.bucket}`)),
    h('h3', {}, 'Top gifters'),
    leaders.length > 0
      ? table(['', 'Viewer', 'Diamonds', 'Comments'], leaders.map(({ rank, user, diamonds, chats }) => [String(rank), user.nickname || user.uniqueId || user.id, count(diamonds), count(chats)]))
      : h('p', { class: 'muted' }, 'Nobody has sent a gift yet.'),
  ];
}

/** @param {Session[]} earlier */
function history(earlier) {
  if (earlier.length === 0) return [];
  const rows = earlier.map(({ startedAt, endedAt, lastEventAt, viewers, diamonds, chats }) => {
    const ms = Date.parse(endedAt ?? lastEventAt) - Date.parse(startedAt);
    return [dateOf(startedAt), duration(ms), count(viewers.peak), count(diamonds), count(chats)];
  });
  return [h('h3', {}, 'Earlier sessions'), table(['Began', 'Length', 'Peak', 'Diamonds', 'Comments'], rows)];
}

/** @param {CreatorDetail} view */
function counters({ counters: all }) {
  if (!all) return [];
  const pairs = Object.entries(all).map(([name, value]) => /** @type {const} */ ([name.replaceAll(/([A-Z])/g, ' $1').toLowerCase(), count(value)]));
  return [h('h3', {}, 'Since its worker took it over'), numbers(pairs)];
}

/** @param {(readonly [name: string, value: string])[]} pairs */
const numbers = (pairs) => h('dl', { class: 'detail-grid' }, ...pairs.map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, value))));

/** The last two columns are numbers. @param {string[]} head @param {string[][]} rows */
function table(head, rows) {
  /** @param {number} i */
  const look = (i) => (i >= head.length - 2 ? 'number' : '');
  return h(
    'div',
    { class: 'table-scroll' },
    h(
      'table',
      {},
      h('thead', {}, h('tr', {}, ...head.map((name, i) => h('th', { scope: 'col', class: look(i) }, name)))),
      h('tbody', {}, ...rows.map((row) => h('tr', {}, ...row.map((cell, i) => h('td', { class: look(i) }, cell))))),
    ),
  );
}
