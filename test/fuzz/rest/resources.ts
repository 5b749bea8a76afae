/** Real values of a running API, by what they are. Each list keeps its length, so that draws stay the same when one is replaced. */
export interface Resources {
  creators: string[];
  handles: string[];
  /** Endpoints; `deliveries` and `replays` are of those at the same place. */
  webhooks: string[];
  deliveries: string[];
  replays: string[];
  keys: string[];
  events: string[];
  rooms: string[];
  users: string[];
  /** Positions in the log, one of them descending. */
  positions: string[];
  /** Cursors of other lists. */
  pages: string[];
  hookUrls: string[];
  /** Keys that may be used, from all to little; the first may do everything. */
  credentials: string[];
}

/** The real values that a parameter or member of this name takes; undefined for none. */
export function valuesFor(name: string, path: string, { ...of }: Resources): string[] | undefined {
  const lower = name.toLowerCase();
  if (lower === 'id') {
    if (path.includes('/webhooks')) return of.webhooks;
    if (path.includes('/keys')) return of.keys;
    return of.events;
  }
  if (lower === 'cursor') return /\/events|\/stream|\/replay$/.test(path) ? of.positions : [...of.pages, ...of.positions];
  const known: Record<string, string[]> = {
    creator: [...of.creators, ...of.handles],
    creators: [...of.creators, ...of.handles],
    uniqueid: of.handles,
    room: of.rooms,
    roomid: of.rooms,
    user: of.users,
    delivery: of.deliveries,
    ids: of.deliveries,
    replay: of.replays,
    owner: of.keys,
    url: of.hookUrls,
    'last-event-id': of.positions,
    secret: [`whsec_${Buffer.alloc(32, 5).toString('base64')}`],
    types: ['tiktok.live.chat', 'tiktok.live.*', 'monitor.*', 'tiktok.live.gift'],
    type: ['tiktok.live.chat', 'tiktok.live.*', 'monitor.*', 'tiktok.live.gift'],
    since: ['2026-01-01', '2026-11-22T10:00:00Z', '2020-01-01T00:00:00+02:00'],
    until: ['2030-01-01', '2026-11-22T11:00:00Z', '2020-01-02'],
    expiresat: ['2030-01-01T00:00:00Z', '2020-01-01'],
    scopes: ['read', 'creators:write', 'webhooks:read', 'webhooks:write', 'sign'],
    sessioncookie: ['sessionid=0123456789abcdef; tt-target-idc=useast1a'],
    proxy: ['http://10.0.0.1:8080', 'http://127.0.0.1:1', 'socks5://1.2.3.4:1'],
    code: ['not-found', 'invalid-field'],
  };
  return known[lower];
}
