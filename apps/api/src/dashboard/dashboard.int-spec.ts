import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CREATOR_STATES } from '@tributary/creators';
import { EVENT_TYPES, type Envelope } from '@tributary/events';
import { dashboardFiles } from './dashboard.js';
import { FIELDS } from '../filter/filter.js';
import { ApiUnderTest, draft } from '../testing/api-under-test.js';
import { FAILURE_CATEGORIES } from '../outbound/outcome.js';

const client = async () =>
  (await import(new URL('./public/api/client.js', import.meta.url).href)) as {
    addressOf(template: string, path?: Record<string, string>, query?: object): string;
  };

/** Addresses that are a name or an example in a field, and are never asked. */
const SHOWN = new Set(['http://www.w3.org/2000/svg', 'https://www.tiktok.com/@another/live', 'https://example.com/hooks']);

describe('dashboard', () => {
  let api: ApiUnderTest;
  const files = dashboardFiles();
  const paths = files.map(({ path }) => path);
  const textOf = async (path: string) => (await api.call<string>('GET', path, { key: null })).body;
  beforeAll(async () => {
    api = await ApiUnderTest.start({ config: { apiRoles: ['http'] } });
  });
  afterAll(() => api.stop());

  it('is served with a policy that allows its own files and this API, and nothing else', async () => {
    expect(paths).toEqual(expect.arrayContaining(['/', '/app.js', '/favicon.svg', '/elements/theme.css', '/webhooks/list.js']));
    for (const { path, type } of files) {
      const answer = await api.call<string>('GET', path, { key: null });
      expect({ path, status: answer.status, type: answer.headers.get('content-type') }).toEqual({ path, status: 200, type });
      const policy = answer.headers.get('content-security-policy')!;
      expect(policy).toContain("default-src 'none'");
      expect(policy).not.toMatch(/unsafe|https?:|\*/);
      expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
    }
  });

  it('asks nothing of the internet, and holds nothing that its policy forbids', async () => {
    for (const { name, path } of files) {
      const text = await textOf(path);
      const addresses = [...text.matchAll(/https?:\/\/[^\s"'`<&]+/g)].map(([address]) => address);
      expect(addresses.filter((address) => !SHOWN.has(address))).toEqual([]);
      if (name.endsWith('.html')) expect(text).not.toMatch(/<script(?![^>]*src=)|\son\w+=|\sstyle=/);
      if (name.endsWith('.js')) expect(text).not.toMatch(/innerHTML|outerHTML|insertAdjacentHTML|\beval\(|new Function/);
    }
  });

  it('serves no types and no settings of the compiler', async () => {
    expect(files.filter(({ name }) => /\.d\.ts$|\.json$/.test(name))).toEqual([]);
    for (const path of ['/tsconfig.json', '/api/routes.d.ts']) expect((await api.call('GET', path, { key: null })).status).toBe(404);
  });

  it('names only files and elements that are there', async () => {
    const html = await textOf('/');
    for (const [, source] of html.matchAll(/(?:src|href)="(\/[\w./-]+\.(?:js|css|svg))"/g)) expect(paths).toContain(source);
    const ids = new Set([...html.matchAll(/\sid="([\w-]+)"/g)].map(([, id]) => id));
    const icons = new Set<string>();
    for (const { path } of files.filter(({ name }) => name.endsWith('.js'))) {
      const text = await textOf(path);
      for (const [, module] of text.matchAll(/^import .*'(\.[^']+)';$/gm))
        expect(paths).toContain(new URL(module!, `http://x${path}`).pathname);
      for (const [, id] of text.matchAll(/byId\('([\w-]+)'\)/g))
        expect({ path, id, there: ids.has(id) }).toEqual({ path, id, there: true });
      for (const [, icon] of text.matchAll(/icon\('([\w-]+)'\)/g)) icons.add(`i-${icon}`);
    }
    for (const [, icon] of html.matchAll(/href="#(i-[\w-]+)"/g)) icons.add(icon!);
    expect([...icons].filter((icon) => !ids.has(icon))).toEqual([]);
  });

  it('knows the tag of each element that has an id, as its code is checked against it', async () => {
    const html = await textOf('/');
    const tags = [...html.matchAll(/<([a-z][a-z0-9]*)\b[^>]*?\sid="([\w-]+)"/g)].map(([, tag, id]) => `${id}: ${tag}`);
    const types = readFileSync(new URL('./public/elements/page-ids.d.ts', import.meta.url), 'utf8');
    const claimed = [...types.matchAll(/^ {2}'?([\w-]+)'?: '(\w+)';$/gm)].map(([, id, tag]) => `${id}: ${tag}`);
    expect(claimed.sort()).toEqual(tags.filter((line) => !line.startsWith('i-')).sort());
  });

  it('suggests only types of events that there are', async () => {
    const { SUGGESTED_TYPES } = (await import(new URL('./public/webhooks/form.js', import.meta.url).href)) as { SUGGESTED_TYPES: string[] };
    const known = new Set<string>(EVENT_TYPES);
    const missing = SUGGESTED_TYPES.filter((type) =>
      type.endsWith('*') ? ![...known].some((name) => name.startsWith(type.slice(0, -1))) : !known.has(type),
    );
    expect(missing).toEqual([]);
  });

  it('keeps the key of a signed-in tab unless its user says yes to the key of a link', async () => {
    const { keyToUse } = (await import(new URL('./public/session/key.js', import.meta.url).href)) as {
      keyToUse(stored: string | null, brought: string | undefined, ask: () => Promise<boolean>): Promise<string | undefined>;
    };
    let asked = 0;
    const ask = (answer: boolean) => () => Promise.resolve(((asked += 1), answer));
    expect(await keyToUse('own', 'other', ask(false))).toBe('own');
    expect(await keyToUse('own', 'other', ask(true))).toBe('other');
    expect(asked).toBe(2);
    expect([await keyToUse(null, 'other', ask(false)), await keyToUse('own', 'own', ask(false))]).toEqual(['other', 'own']);
    expect([
      await keyToUse('own', undefined, ask(true)),
      await keyToUse('own', '', ask(true)),
      await keyToUse(null, '', ask(true)),
    ]).toEqual(['own', 'own', undefined]);
    expect(asked).toBe(2);
  });

  it('has words for every category of failure and every state of an endpoint', async () => {
    const { failureText, stateOf } = (await import(new URL('./public/webhooks/words.js', import.meta.url).href)) as {
      failureText(category: string, status?: number): string;
      stateOf(endpoint: object): { key: string; note: string };
    };
    for (const category of FAILURE_CATEGORIES) expect({ category, text: failureText(category) }).not.toEqual({ category, text: category });
    const endpoint = (more: object) => ({
      ...{ state: 'enabled', reason: null, stateSince: new Date(), lag: { retrying: 0 } },
      health: { failingSince: null, lastSuccessAt: null, throttledUntil: null },
      ...more,
    });
    const failing = { failingSince: new Date(), lastSuccessAt: null, throttledUntil: null };
    expect(
      [
        {},
        { state: 'paused' },
        { state: 'disabled', reason: 'gone' },
        { health: failing },
        { health: { ...failing, lastSuccessAt: new Date() }, lag: { retrying: 2 } },
      ].map((more) => stateOf(endpoint(more)).key),
    ).toEqual(['enabled', 'paused', 'disabled', 'failing', 'retrying']);
  });

  it('says of an endpoint everything that it filters by', async () => {
    const { filterText } = (await import(new URL('./public/webhooks/words.js', import.meta.url).href)) as {
      filterText(endpoint: object, creators: Map<string, unknown>): string;
    };
    const words = new Map([['cr_1', { view: { uniqueId: 'luna' } }]]);
    expect(filterText({ types: null, creators: null, room: null, user: null, q: null }, words)).toBe('Every event of every creator');
    expect(filterText({ types: ['tiktok.live.gift'], creators: ['cr_1'], room: '7', user: 'v', q: 'hi' }, words)).toBe(
      'gift of @luna, in room 7, by viewer v, with “hi”',
    );
    for (const [, { setting }] of FIELDS) {
      if (!setting) continue;
      const value = setting.format.kind.endsWith('s') ? ['asked-for'] : 'asked-for';
      const text = filterText({ types: null, creators: null, [setting.name]: value }, words);
      expect({ setting: setting.name, text }).toEqual({ setting: setting.name, text: expect.stringContaining('asked-for') });
    }
  });

  it('has words for every state of a creator, and counts a stream from its start', async () => {
    const { aboutCreator, sinceText, STATE_LABEL, stateOfCreator } = (await import(
      new URL('./public/creators/words.js', import.meta.url).href
    )) as {
      aboutCreator(view: object, now: number): string;
      sinceText(view: object, now: number): string;
      STATE_LABEL: Record<string, string>;
      stateOfCreator(view: object): string;
    };
    expect(Object.keys(STATE_LABEL).sort()).toEqual([...CREATOR_STATES].sort());
    const now = Date.UTC(2026, 10, 22, 10);
    const ago = (minutes: number) => new Date(now - minutes * 60_000).toISOString();
    const view = (over: object) => ({
      paused: false,
      state: 'live',
      since: ago(5),
      liveSince: null,
      lastKnown: null,
      title: null,
      worker: 'w1',
      ...over,
    });
    expect(sinceText(view({ liveSince: ago(48) }), now)).toBe('for 48 min');
    expect(sinceText(view({ state: 'reconnecting', liveSince: ago(48) }), now)).toBe('for 5 min');
    expect(stateOfCreator(view({ state: null }))).toBe('unknown');
    const known = (live: boolean) => ({ lastKnown: { live, at: ago(3) } });
    expect(aboutCreator(view({ title: 'Baking' }), now)).toBe('Baking');
    expect(aboutCreator(view({ state: 'offline', ...known(false) }), now)).toBe('checked 3 min ago');
    expect(aboutCreator(view({ state: 'unknown', ...known(true) }), now)).toBe('live when last known, 3 min ago');
    expect(aboutCreator(view({ state: 'unknown' }), now)).toBe('whether it is live is not known');
    expect(aboutCreator(view({ state: 'paused', paused: true, ...known(true) }), now)).toBe('not watched while it is paused');
  });

  it('says of a creator that is blocked what is wrong, also where nobody knows until when', async () => {
    const { problemText } = (await import(new URL('./public/creators/words.js', import.meta.url).href)) as {
      problemText(problem: { reason: string; message: string; retryAt?: string }, state: string): string;
    };
    const problem = { reason: 'blocked', message: 'TikTok refuses this address' };
    expect(problemText(problem, 'blocked')).toBe('TikTok refuses this address.');
    expect(problemText({ ...problem, retryAt: 'soon' }, 'blocked')).toBe('TikTok refuses this address.');
    const retryAt = new Date(Date.now() + 120_500).toISOString();
    expect(problemText({ ...problem, retryAt }, 'blocked')).toMatch(/^TikTok refuses this address\. Blocked until .+, in 2 min\b/);
    expect(problemText({ ...problem, message: '', retryAt }, 'error')).toMatch(/^blocked\. Next try in 2 min\b/);
  });

  it('fills in the address of a route, each part encoded, and asks nothing where a part is missing', async () => {
    const { addressOf } = await client();
    const template = '/v1/webhooks/{id}/deliveries/{delivery}';
    expect(addressOf(template, { id: 'a/b', delivery: '?' }, { limit: 5, cursor: undefined, type: ['x', 'y.*'] })).toBe(
      '/v1/webhooks/a%2Fb/deliveries/%3F?limit=5&type=x%2Cy.*',
    );
    expect(addressOf('/v1/status')).toBe('/v1/status');
    expect(() => addressOf(template, { id: 'a' })).toThrow(`${template}: "delivery" is not given`);
  });

  it('joins history and live stream with nothing lost and nothing twice, whatever is stored meanwhile', async () => {
    const { addressOf } = await client();
    const { readPast } = (await import(new URL('./public/api/past.js', import.meta.url).href)) as {
      readPast(api: object, types: string[], limit: number): Promise<{ events: Envelope[]; position?: string }>;
    };
    const ask = async (route: string, { query }: { query: object }) => {
      const [method, path] = route.split(' ') as [string, string];
      return (await api.call(method, addressOf(path, {}, query))).body;
    };
    const types = ['tiktok.live.chat', 'monitor.*'];
    expect(await readPast({ call: ask }, types, 5)).toEqual({ events: [], position: undefined });
    const drafts = Array.from({ length: 20 }, () => draft());
    await api.commit(drafts.slice(0, 12));
    let calls = 0;
    const call = async (route: string, asked: { query: object }) => {
      const body = await ask(route, asked);
      if (calls++ < 2) await api.commit(drafts.slice(8 + 4 * calls, 12 + 4 * calls));
      return body;
    };
    const { events, position } = await readPast({ call }, types, 5);
    const stream = await api.stream(`?cursor=${position}`);
    const live = await stream.events(4);
    stream.close();
    expect([...events, ...live].map(({ id }) => id)).toEqual(drafts.slice(7).map(({ id }) => id));
  });

  it('is not sent again while it is unchanged', async () => {
    const first = await api.call('GET', '/app.js', { key: null });
    const again = await api.call('GET', '/app.js', { key: null, headers: { 'if-none-match': first.headers.get('etag')! } });
    expect(again.status).toBe(304);
  });
});
