import type { AttackedStack } from '../http/attacked-stack.js';
import type { Resources } from './resources.js';

const HANDLES = ['fuzz.one', 'fuzz.two', 'fuzz.three', 'fuzz.four', 'fuzz.five'];
const ENDPOINTS = 4;
/** The first may do everything, and its id is in no list: a request that revoked it would end the run. */
const KEYS: string[][] = [['read', 'creators:write', 'webhooks:write'], ['read'], ['webhooks:read'], ['sign']];
const PAGE = 1_000;
/** Places of the endpoint whose replay takes long, and of one that nobody listens for: its deliveries can be retried. */
const SLOW = 1;
const FAILING = 3;
const UNREACHABLE = 2;

interface Created {
  id: string;
  key?: string;
}

/**
 * Keeps what requests name: creators, endpoints and keys that a request removed are made again, and what requests made is removed,
 * so that the hundred-thousandth request meets what the first met.
 */
export class Keeper {
  private constructor(
    private readonly attacked: AttackedStack,
    readonly resources: Resources,
  ) {}

  static async start(attacked: AttackedStack): Promise<Keeper> {
    const { stack, receiver } = attacked;
    const events = await stack.call<{
      data: { id: string; roomid: string; position: string; data: { user?: { id: string; uniqueId: string } } }[];
      next: string;
    }>('GET', '/v1/events?limit=200');
    const last = await stack.call<{ next: string }>('GET', '/v1/events?order=desc&limit=5');
    const some = [...events.data.slice(0, 4), ...events.data.slice(-4)];
    const users = events.data.flatMap(({ data }) => (data.user ? [data.user] : [])).slice(0, 3);
    const keeper = new Keeper(attacked, {
      creators: HANDLES.map(() => ''),
      handles: HANDLES,
      webhooks: Array.from({ length: ENDPOINTS }, () => ''),
      deliveries: Array.from({ length: ENDPOINTS }, () => ''),
      replays: Array.from({ length: ENDPOINTS }, () => ''),
      keys: KEYS.map(() => ''),
      events: some.map(({ id }) => id),
      rooms: [...new Set(some.map(({ roomid }) => roomid))].slice(0, 2),
      users: users.flatMap(({ id, uniqueId }) => [id, uniqueId]),
      positions: [...some.map(({ position }) => position), events.next, last.next],
      pages: [],
      hookUrls: [receiver.url('/fuzz'), receiver.url('/fuzz?a=b'), 'http://127.0.0.1:1/', 'http://10.0.0.1/', 'http://169.254.169.254/'],
      credentials: [stack.key, ...KEYS.map(() => '')],
    });
    await keeper.restore();
    await keeper.readPages();
    return keeper;
  }

  /** Makes what is missing, and removes what was made beside it. */
  async restore(): Promise<void> {
    await this.creators();
    await this.endpoints();
    await this.keys();
  }

  private async creators(): Promise<void> {
    const { resources, attacked } = this;
    const kept = new Set([...attacked.creators]);
    const { data } = await this.call<{ data: Created[] }>('POST', '/v1/creators/batch', { creators: HANDLES });
    for (const [at, { id }] of data.entries()) resources.creators[at] = id;
    await this.call('POST', '/v1/creators/batch/resume', { creators: HANDLES });
    for (const id of resources.creators) kept.add(id);
    const others = (await this.all('/v1/creators')).filter(({ id }) => !kept.has(id)).map(({ id }) => id);
    for (let at = 0; at < others.length; at += PAGE)
      await this.call('POST', '/v1/creators/batch/remove', { creators: others.slice(at, at + PAGE) });
  }

  private async endpoints(): Promise<void> {
    const { webhooks } = this.resources;
    const there = new Set((await this.all('/v1/webhooks')).map(({ id }) => id));
    for (const [at, id] of webhooks.entries()) {
      if (there.has(id)) continue;
      const url = this.resources.hookUrls[at === FAILING ? UNREACHABLE : 0];
      webhooks[at] = (await this.call<Created>('POST', '/v1/webhooks', { url })).id;
      await this.deliver(at);
    }
    await this.keepReplaying();
    for (const id of there) if (!webhooks.includes(id)) await this.call('DELETE', `/v1/webhooks/${id}`);
  }

  private async keys(): Promise<void> {
    const { keys, credentials } = this.resources;
    const all = await this.call<{ data: (Created & { name: string })[] }>('GET', `/v1/keys?limit=${PAGE}`);
    const there = new Set(all.data.map(({ id }) => id));
    for (const [at, id] of keys.entries()) {
      if (there.has(id)) continue;
      const limit = at === 1 ? { creators: this.resources.creators.slice(0, 2) } : {};
      const made = await this.call<Created>('POST', '/v1/keys', { name: `fuzz ${at}`, scopes: KEYS[at], ...limit });
      keys[at] = made.id;
      credentials[at + 1] = made.key!;
    }
    const others = all.data.filter(({ id, name }) => name !== 'stack' && !keys.includes(id));
    for (const { id } of others) await this.call('DELETE', `/v1/keys/${id}`);
  }

  /** Starts a replay to an endpoint, and waits for its first delivery. */
  private async deliver(at: number): Promise<void> {
    const { webhooks, replays, deliveries } = this.resources;
    const path = `/v1/webhooks/${webhooks[at]}`;
    replays[at] = (await this.call<Created>('POST', `${path}/replay`, { since: '2020-01-01', rateLimit: at === SLOW ? 0.1 : 100 })).id;
    deliveries[at] = 'dlv_none';
    for (let tries = 0; deliveries[at] === 'dlv_none' && tries < 100; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      const { data } = await this.call<{ data: Created[] }>('GET', `${path}/deliveries?limit=1`);
      deliveries[at] = data[0]?.id ?? 'dlv_none';
    }
  }

  /** A replay that is under way, so that there is one to cancel. Requests may have started another, which does as well. */
  private async keepReplaying(): Promise<void> {
    const { webhooks, replays } = this.resources;
    const path = `/v1/webhooks/${webhooks[SLOW]}`;
    const { data } = await this.call<{ data: (Created & { state: string })[] }>('GET', `${path}/replays?limit=1`);
    if (data[0]?.state === 'running') replays[SLOW] = data[0].id;
    else replays[SLOW] = (await this.call<Created>('POST', `${path}/replay`, { since: '2020-01-01', rateLimit: 0.1 })).id;
  }

  /** Cursors of lists that are no lists of events. */
  private async readPages(): Promise<void> {
    const { webhooks, pages } = this.resources;
    for (const list of ['/v1/creators', '/v1/keys', '/v1/webhooks', '/v1/sessions', `/v1/webhooks/${webhooks[0]}/deliveries`]) {
      const { next } = await this.call<{ next: string | null }>('GET', `${list}?limit=1`);
      pages.push(next ?? 'WyJ4Il0');
    }
  }

  /** Every page of a list. */
  private async all(path: string): Promise<Created[]> {
    const rows: Created[] = [];
    for (let cursor = ''; ;) {
      const { data, next } = await this.call<{ data: Created[]; next: string | null }>('GET', `${path}?limit=${PAGE}${cursor}`);
      rows.push(...data);
      if (next === null) return rows;
      cursor = `&cursor=${next}`;
    }
  }

  private call<T>(method: string, path: string, body?: unknown): Promise<T> {
    return this.attacked.stack.call<T>(method, path, body);
  }
}
