/** One creator in full: what it does now, its session over time, who gives most, earlier sessions. */
import { aboutCreator, endText, problemText, queueText, sinceText, STATE_LABEL, stateOfCreator } from './creator-words.js';
import { byId, count, dateOf, duration, h, icon, svg, timeOf } from './dom.js';

const WIDTH = 820;
const HEIGHT = 170;
const LEFT = 44;
const BOTTOM = 22;

export class Detail {
  /** @param {{api: import('./client.js').Api, onPause: (id: string, paused: boolean) => void, onRemove: (id: string) => void, onError: (error: Error) => void}} options */
  constructor(options) {
    this.options = options;
    this.dialog = byId('detail');
    this.dialog.addEventListener('click', (event) => {
      if (event.target === this.dialog) this.dialog.close();
    });
  }

  async open(id) {
    const { api, onError } = this.options;
    try {
      const creator = await api.call('GET', `/v1/creators/${encodeURIComponent(id)}`);
      this.dialog.replaceChildren(...this.head(creator), h('p', { class: 'muted' }, 'Loading its sessions…'));
      if (!this.dialog.open) this.dialog.showModal();
      const sessions = (await api.call('GET', `/v1/sessions?creator=${encodeURIComponent(id)}&limit=8`)).data;
      const [session] = sessions;
      const [full, timeline, leaders] = session ? await this.loadSession(session) : [];
      this.dialog.replaceChildren(...this.head(creator), ...(session ? this.session(full, timeline, leaders) : [noSession()]), ...this.history(sessions), ...this.counters(creator));
    } catch (error) {
      onError(error);
    }
  }

  loadSession({ roomId, startedAt, lastEventAt }) {
    const { api } = this.options;
    const minutes = (Date.parse(lastEventAt) - Date.parse(startedAt)) / 60_000;
    const bucket = minutes < 20 ? '10s' : minutes < 180 ? '1m' : minutes < 2_880 ? '5m' : '1h';
    const path = `/v1/sessions/${encodeURIComponent(roomId)}`;
    return Promise.all([
      api.call('GET', path),
      api.call('GET', `${path}/timeline?bucket=${bucket}`),
      api.call('GET', `${path}/leaderboard?by=diamonds&limit=8`),
    ]);
  }

  head(view) {
    const state = stateOfCreator(view);
    const close = () => this.dialog.close();
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
        h('span', { class: 'state', data: { state } }, h('span', { class: 'dot' }), STATE_LABEL[state] ?? state),
        h('span', {}, sinceText(view)),
        view.queue ? h('span', {}, queueText(view.queue)) : '',
        h('span', {}, aboutCreator(view)),
        view.worker && view.title ? h('span', {}, `held by ${view.worker}`) : '',
        former.length > 0 ? h('span', {}, `formerly ${former.join(', ')}`) : '',
        h('code', {}, view.id),
      ),
      view.lastError ? h('p', { class: 'card-error' }, icon('warn'), h('span', {}, `${timeOf(view.lastError.at)}: ${problemText(view.lastError, state)}`)) : '',
    ];
  }

  counters({ counters }) {
    if (!counters) return [];
    return [
      h('h3', {}, 'Since its worker took it over'),
      numbers(Object.entries(counters).map(([name, value]) => [name.replaceAll(/([A-Z])/g, ' $1').toLowerCase(), count(value)])),
    ];
  }

  session(full, timeline, leaders) {
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
      leaders.data.length > 0
        ? table(['', 'Viewer', 'Diamonds', 'Comments'], leaders.data.map(({ rank, user, diamonds, chats }) => [rank, user.nickname || user.uniqueId || user.id, count(diamonds), count(chats)]))
        : h('p', { class: 'muted' }, 'Nobody has sent a gift yet.'),
    ];
  }

  history(sessions) {
    if (sessions.length < 2) return [];
    return [
      h('h3', {}, 'Earlier sessions'),
      table(
        ['Began', 'Length', 'Peak', 'Diamonds', 'Comments'],
        sessions.slice(1).map((one) => [dateOf(one.startedAt), duration(Date.parse(one.endedAt ?? one.lastEventAt) - Date.parse(one.startedAt)), count(one.viewers.peak), count(one.diamonds), count(one.chats)]),
      ),
    ];
  }
}

const noSession = () => h('p', { class: 'empty' }, 'No session is stored yet: it has not been live since it is monitored.');

const numbers = (pairs) => h('dl', { class: 'detail-grid' }, ...pairs.map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, value))));

function table(head, rows) {
  const numeric = (i) => (i >= head.length - 2 ? 'number' : '');
  return h(
    'div',
    { class: 'table-scroll' },
    h(
      'table',
      {},
      h('thead', {}, h('tr', {}, ...head.map((name, i) => h('th', { scope: 'col', class: numeric(i) }, name)))),
      h('tbody', {}, ...rows.map((row) => h('tr', {}, ...row.map((cell, i) => h('td', { class: numeric(i) }, String(cell)))))),
    ),
  );
}

/** Viewers as a curve, diamonds as bars, over the time of the session. */
function chart(points) {
  if (points.length < 2) return h('p', { class: 'muted' }, 'Its curve appears after a few moments.');
  const from = Date.parse(points[0].at);
  const span = Math.max(1, Date.parse(points.at(-1).at) - from);
  const x = (at) => LEFT + ((Date.parse(at) - from) / span) * (WIDTH - LEFT - 8);
  const top = HEIGHT - BOTTOM;
  const viewersMax = Math.max(1, ...points.map(({ viewers }) => viewers ?? 0));
  const diamondsMax = Math.max(1, ...points.map(({ diamonds }) => diamonds));
  const y = (viewers) => top - (viewers / viewersMax) * (top - 12);
  const seen = points.filter(({ viewers }) => viewers !== null);
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
      const rect = svg('rect', { class: 'bars', x: x(at) - barWidth / 2, y: top - height, width: barWidth, height, rx: 1.5 });
      rect.append(svg('title', {}, `${timeOf(at)}: ${count(diamonds)} diamonds`));
      return rect;
    });
  const times = [0, 0.5, 1].map((share) =>
    svg('text', { x: LEFT + share * (WIDTH - LEFT - 8), y: HEIGHT - 5, 'text-anchor': share === 0 ? 'start' : share === 1 ? 'end' : 'middle' }, timeOf(from + span * share)),
  );
  const last = seen.at(-1);
  const area = last ? [svg('path', { class: 'area', d: `${line}L${x(last.at)} ${top}L${x(seen[0].at)} ${top}Z` }), svg('path', { class: 'curve', d: line })] : [];
  return svg('svg', { class: 'chart', viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: 'img', 'aria-label': `Viewers over time, at most ${viewersMax}` }, ...grid, ...bars, ...area, ...times);
}
