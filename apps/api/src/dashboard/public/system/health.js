/** The parts of the system: how each of them does. */
import { byId, h, setText } from '../elements/dom.js';
import { bytes, count, duration, timeOf } from '../elements/format.js';

/** @import { OperationReport, Probed, ProviderReport, Status, Worker } from '../api/answers.js' */
/** @import { Child } from '../elements/attributes.js' */

const LAG_MS_WARN = 5_000;
const LAG_MS_BAD = 30_000;
/** A worker that gives no sign of life for so long is looked at. */
const BEAT_MS_WARN = 10_000;

/** @typedef {'good' | 'warn' | 'bad'} Tone */

/** good, warn or bad by two bounds. @param {number} value @param {number} warn @param {number} bad @returns {Tone} */
const toneOf = (value, warn, bad) => (value >= bad ? 'bad' : value >= warn ? 'warn' : 'good');
/** @type {Record<Tone, string>} */
const TONE_TEXT = { good: 'works', warn: 'look here', bad: 'trouble' };

/** How late the store is, as a tone. @param {NonNullable<Status['store']>} store @returns {Tone} */
export const lagTone = (store) => (store.ok ? toneOf(store.lag.oldestMs, LAG_MS_WARN, LAG_MS_BAD) : 'bad');

/** @param {Status} status */
export function renderHealth(status) {
  setText(byId('health-time'), `as of ${timeOf(status.time)}`);
  // A key that is limited to creators is told of its own ones only.
  const parts = [
    status.workers && workers(status.workers),
    status.store && store(status.store),
    status.postgres && postgres(status.postgres),
    status.redis && redis(status.redis),
    status.signer && signer(status.signer),
    status.leases && coverage(status.leases, status),
  ].filter((part) => part !== undefined);
  byId('health').replaceChildren(...parts.map(({ element }) => element));
  const troubled = parts.filter(({ tone }) => tone !== 'good').length;
  const pill = byId('health-pill');
  // Shown in the head of every page, so only when there is something to see.
  pill.hidden = troubled === 0;
  pill.dataset.tone = parts.some(({ tone }) => tone === 'bad') ? 'bad' : 'warn';
  setText(pill, troubled === 1 ? '1 part needs a look' : `${troubled} parts need a look`);
}

/**
 * One part: its name, its tone, and facts or the reason why there are none.
 * @template {{ ok: true }} Facts
 * @param {string} name
 * @param {Facts | { ok: false, reason: string }} probed
 * @param {(facts: Facts) => { tone: Tone, content: HTMLElement }} read
 */
function part(name, probed, read, look = 'part') {
  const { tone, content } = probed.ok ? read(probed) : { tone: /** @type {Tone} */ ('bad'), content: h('p', { class: 'part-reason' }, probed.reason) };
  const head = h('h3', { class: 'part-head' }, h('span', { class: 'dot' }), name, h('span', { class: 'tone' }, TONE_TEXT[tone]));
  return { tone, element: h('article', { class: look, data: { tone } }, head, content) };
}

/** @param {(readonly [name: string, value: string])[]} rows */
const facts = (...rows) => h('dl', { class: 'facts' }, ...rows.flatMap(([name, value]) => [h('dt', {}, name), h('dd', {}, value)]));

/** @param {number} share 0 to 1 @param {string} label */
function bar(share, label) {
  const fill = h('span');
  fill.style.width = `${Math.min(100, Math.max(0, share * 100)).toFixed(1)}%`;
  return h('div', { class: 'bar', role: 'img', 'aria-label': label }, fill);
}

/** @param {NonNullable<Status['workers']>} probed */
function workers(probed) {
  return part(
    'Ingest workers',
    probed,
    ({ list }) => {
      if (list.length === 0) return { tone: 'bad', content: h('p', { class: 'part-reason' }, 'No worker runs: nothing is received.') };
      const names = ['Worker', 'Creators', 'Messages', 'Stored', 'Unconfirmed', 'Up for'];
      const head = h('thead', {}, h('tr', {}, ...names.map((name, i) => h('th', { scope: 'col', class: i > 1 ? 'number' : '' }, name))));
      const content = h('div', { class: 'table-scroll' }, h('table', {}, head, h('tbody', {}, ...list.map(workerRow))));
      return { tone: list.some(({ beatAgeMs }) => beatAgeMs > BEAT_MS_WARN) ? 'warn' : 'good', content };
    },
    'part part-wide',
  );
}

/** @param {Worker} worker */
function workerRow({ worker, creators, capacity, counters, startedAt }) {
  const open = Math.max(0, counters.appended - counters.confirmed);
  /** @param {string} text */
  const number = (text) => h('td', { class: 'number' }, text);
  return h(
    'tr',
    {},
    h('td', {}, worker),
    h('td', {}, `${count(creators)} of ${count(capacity)}`, bar(creators / Math.max(1, capacity), `${creators} of ${capacity} places taken`)),
    number(count(counters.received)),
    number(count(counters.confirmed)),
    number(count(open)),
    number(duration(Date.now() - Date.parse(startedAt))),
  );
}

/** @param {NonNullable<Status['store']>} probed */
function store(probed) {
  return part('Event store', probed, ({ lag, sessionsBehind, deadLetters }) => {
    const tone = lagTone(probed);
    return {
      tone: deadLetters > 0 && tone === 'good' ? 'warn' : tone,
      content: facts(
        ['Not stored yet', count(lag.entries)],
        ['Oldest of them', lag.entries ? duration(lag.oldestMs) : '–'],
        ['Not counted yet', count(sessionsBehind)],
        ['Could not be stored', count(deadLetters)],
      ),
    };
  });
}

/** @param {NonNullable<Status['postgres']>} probed */
function postgres(probed) {
  return part('PostgreSQL', probed, ({ latencyMs, version, connections }) => ({
    tone: toneOf(latencyMs, 100, 1_000),
    content: facts(['Answers in', `${latencyMs} ms`], ['Version', version], ['Connections', `${connections.open} open, ${connections.idle} idle`]),
  }));
}

/** @param {NonNullable<Status['redis']>} probed */
function redis(probed) {
  return part('Redis', probed, ({ latencyMs, usedBytes, maxBytes, policy }) => {
    const share = maxBytes ? usedBytes / maxBytes : 0;
    const evicts = policy !== 'noeviction';
    /** @type {Child} */
    const gauge = maxBytes > 0 && bar(share, `${Math.round(share * 100)} percent of its memory`);
    return {
      tone: evicts ? 'warn' : toneOf(share, 0.7, 0.9),
      content: h(
        'div',
        {},
        facts(
          ['Answers in', `${latencyMs} ms`],
          ['Memory', maxBytes ? `${bytes(usedBytes)} of ${bytes(maxBytes)}` : bytes(usedBytes)],
          ['When full', evicts ? `${policy}: loses data` : 'refuses writes'],
        ),
        gauge,
      ),
    };
  });
}

/** @param {NonNullable<Status['signer']>} probed */
function signer(probed) {
  return part('Signer', probed, ({ latencyMs, providers }) => {
    const reports = reportsOf(providers);
    const resting = reports.filter(({ operations }) => operations?.connect?.breaker?.state === 'open').length;
    return {
      tone: reports.length > 0 && resting === reports.length ? 'bad' : resting > 0 ? 'warn' : 'good',
      content: facts(
        ['Answers in', `${latencyMs} ms`],
        ...reports.map(({ name, operations }) => /** @type {const} */ ([name ?? 'unnamed', providerText(operations?.connect)])),
      ),
    };
  });
}

/** @param {unknown} providers as the signer lists them @returns {ProviderReport[]} */
const reportsOf = (providers) => (Array.isArray(providers) ? providers : []);

/** How a provider does: its share of recent successes and usual time, or that it rests. @param {OperationReport | undefined} connect */
function providerText(connect) {
  const state = connect?.breaker?.state;
  if (state === 'open') return 'rests after failures';
  if (state === 'half-open') return 'is tried again';
  const { successRate, latencyMs } = connect?.recent ?? {};
  if (typeof successRate !== 'number') return 'not asked yet';
  return `${Math.round(successRate * 100)} % good${latencyMs?.p50 ? `, ${Math.round(latencyMs.p50)} ms` : ''}`;
}

/** @param {NonNullable<Status['leases']>} leases @param {Pick<Status, 'live' | 'creators'>} status */
function coverage(leases, { live: { streams }, creators }) {
  /** @type {Probed<{ held: number, total: number, paused: number }>} */
  const probed = !leases.ok ? leases : !creators.ok ? creators : { ...creators, held: leases.held };
  return part('Coverage', probed, ({ held, total, paused }) => ({
    tone: 'good',
    content: facts(['Creators held', `${count(held)} of ${count(total - paused)}`], ['Paused', count(paused)], ['Live readers here', count(streams)]),
  }));
}
