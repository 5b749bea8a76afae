/** The system's parts and the recorded gaps. */
import { byId, bytes, count, dateOf, duration, h, setText, timeOf } from './dom.js';
import { gapMs, gapReason } from './lines.js';

const GAPS_MAX = 20;
const LAG_MS_WARN = 5_000;
const LAG_MS_BAD = 30_000;

/** good, warn or bad by two bounds. */
const toneOf = (value, warn, bad) => (value >= bad ? 'bad' : value >= warn ? 'warn' : 'good');
const TONE_TEXT = { good: 'works', warn: 'look here', bad: 'trouble' };

/** How late the store is, as a tone. */
export const lagTone = (store) => (store?.ok ? toneOf(store.lag.oldestMs, LAG_MS_WARN, LAG_MS_BAD) : 'bad');

export function renderHealth(status) {
  setText(byId('health-time'), `as of ${timeOf(status.time)}`);
  // A key that is limited to creators is told of its own ones only.
  const all = [
    ['workers', () => workers(status)],
    ['store', () => store(status.store)],
    ['postgres', () => postgres(status.postgres)],
    ['redis', () => redis(status.redis)],
    ['signer', () => signer(status.signer)],
    ['leases', () => live(status)],
  ];
  const parts = all.filter(([name]) => status[name]).map(([, render]) => render());
  byId('health').replaceChildren(...parts);
  const tones = parts.map(({ dataset }) => dataset.tone);
  const troubled = tones.filter((tone) => tone !== 'good').length;
  const pill = byId('health-pill');
  // Said where it is always seen only when there is something to see.
  pill.hidden = troubled === 0;
  pill.dataset.tone = tones.includes('bad') ? 'bad' : 'warn';
  setText(pill, troubled === 1 ? '1 part needs a look' : `${troubled} parts need a look`);
}

/** One part: its name, its tone, and facts or the reason why there are none. */
function part(name, probed, tone, content, wide = false) {
  const shown = probed.ok ? tone : 'bad';
  return h(
    'article',
    { class: wide ? 'part part-wide' : 'part', data: { tone: shown } },
    h('h3', { class: 'part-head' }, h('span', { class: 'dot' }), name, h('span', { class: 'tone' }, TONE_TEXT[shown])),
    probed.ok ? content() : h('p', { class: 'part-reason' }, probed.reason),
  );
}

const facts = (...rows) => h('dl', { class: 'facts' }, ...rows.flatMap(([name, value]) => [h('dt', {}, name), h('dd', {}, value)]));

function bar(share, label) {
  const fill = h('span');
  fill.style.width = `${Math.min(100, Math.max(0, share * 100)).toFixed(1)}%`;
  return h('div', { class: 'bar', role: 'img', 'aria-label': label }, fill);
}

function workers({ workers: probed }) {
  const list = probed.list ?? [];
  const tone = list.length === 0 ? 'bad' : list.some(({ beatAgeMs }) => beatAgeMs > 10_000) ? 'warn' : 'good';
  return part(
    'Ingest workers',
    probed,
    tone,
    () =>
      list.length === 0
        ? h('p', { class: 'part-reason' }, 'No worker runs: nothing is received.')
        : h(
            'div',
            { class: 'table-scroll' },
            h(
              'table',
              {},
              h('thead', {}, h('tr', {}, ...['Worker', 'Creators', 'Messages', 'Stored', 'Unconfirmed', 'Up for'].map((name, i) => h('th', { scope: 'col', class: i > 1 ? 'number' : '' }, name)))),
              h('tbody', {}, ...list.map(workerRow)),
            ),
          ),
    true,
  );
}

function workerRow({ worker, creators, capacity, counters, startedAt }) {
  const open = Math.max(0, counters.appended - counters.confirmed);
  return h(
    'tr',
    {},
    h('td', {}, worker),
    h('td', {}, `${count(creators)} of ${count(capacity)}`, bar(creators / Math.max(1, capacity), `${creators} of ${capacity} places taken`)),
    h('td', { class: 'number' }, count(counters.received)),
    h('td', { class: 'number' }, count(counters.confirmed)),
    h('td', { class: 'number' }, count(open)),
    h('td', { class: 'number' }, duration(Date.now() - Date.parse(startedAt))),
  );
}

function store(probed) {
  return part('Event store', probed, probed.deadLetters > 0 && lagTone(probed) === 'good' ? 'warn' : lagTone(probed), () =>
    facts(
      ['Not stored yet', count(probed.lag.entries)],
      ['Oldest of them', probed.lag.entries ? duration(probed.lag.oldestMs) : '–'],
      ['Not counted yet', count(probed.sessionsBehind)],
      ['Could not be stored', count(probed.deadLetters)],
    ),
  );
}

function postgres(probed) {
  return part('PostgreSQL', probed, toneOf(probed.latencyMs, 100, 1_000), () =>
    facts(['Answers in', `${probed.latencyMs} ms`], ['Version', probed.version], ['Connections', `${probed.connections.open} open, ${probed.connections.idle} idle`]),
  );
}

function redis(probed) {
  const share = probed.maxBytes ? probed.usedBytes / probed.maxBytes : 0;
  const evicts = probed.ok && probed.policy !== 'noeviction';
  return part('Redis', probed, evicts ? 'warn' : toneOf(share, 0.7, 0.9), () =>
    h(
      'div',
      {},
      facts(
        ['Answers in', `${probed.latencyMs} ms`],
        ['Memory', probed.maxBytes ? `${bytes(probed.usedBytes)} of ${bytes(probed.maxBytes)}` : bytes(probed.usedBytes)],
        ['When full', evicts ? `${probed.policy}: loses data` : 'refuses writes'],
      ),
      probed.maxBytes ? bar(share, `${Math.round(share * 100)} percent of its memory`) : '',
    ),
  );
}

function signer(probed) {
  const providers = Array.isArray(probed.providers) ? probed.providers : [];
  const resting = providers.filter((provider) => connectOf(provider)?.breaker?.state === 'open').length;
  const tone = providers.length > 0 && resting === providers.length ? 'bad' : resting > 0 ? 'warn' : 'good';
  return part('Signer', probed, tone, () => facts(['Answers in', `${probed.latencyMs} ms`], ...providers.map((provider) => [provider.name, providerText(connectOf(provider))])));
}

const connectOf = ({ operations }) => operations?.connect;

/** How a provider does: its share of recent successes and usual time, or that it rests. */
function providerText(connect) {
  const state = connect?.breaker?.state;
  if (state === 'open') return 'rests after failures';
  if (state === 'half-open') return 'is tried again';
  const { successRate, latencyMs } = connect?.recent ?? {};
  if (typeof successRate !== 'number') return 'not asked yet';
  return `${Math.round(successRate * 100)} % good${latencyMs?.p50 ? `, ${Math.round(latencyMs.p50)} ms` : ''}`;
}

function live({ live: { streams }, leases, creators }) {
  const probed = leases.ok ? creators : leases;
  return part('Coverage', probed, 'good', () =>
    facts(['Creators held', `${count(leases.held)} of ${count(creators.total - creators.paused)}`], ['Paused', count(creators.paused)], ['Live readers here', count(streams)]),
  );
}

/** The newest gaps, each once. */
export class Gaps {
  constructor() {
    this.events = new Map();
  }

  take(events) {
    for (const event of events) this.events.set(event.id, event);
    const newest = [...this.events.values()].sort((a, b) => (a.receivedat < b.receivedat ? 1 : -1)).slice(0, GAPS_MAX);
    this.events = new Map(newest.map((event) => [event.id, event]));
    byId('gaps-empty').hidden = newest.length > 0;
    byId('gaps').replaceChildren(
      ...newest.map(({ creator, data }) =>
        h(
          'li',
          {},
          h('strong', {}, `@${creator}`),
          h('span', {}, duration(gapMs(data))),
          h('span', { class: 'muted' }, `${gapReason(data.reason)}${data.missedEstimate ? `, about ${count(data.missedEstimate)} events` : ''}`),
          h('span', { class: 'muted' }, dateOf(data.from)),
        ),
      ),
    );
  }
}
