import { readdirSync } from 'node:fs';
import type { Scope } from '@tributary/runtime';

/** Who may use a route: everybody, every key in force, or a key that has all of these scopes. */
export type Needed = 'nothing' | 'a key' | readonly Scope[];

/** What is expected of one route. Written by hand: it must not follow the code by itself. */
export interface ApiRoute {
  needs: Needed;
  /** Status for the key that the resource of the path belongs to. */
  own: number;
  /** Status for a key with every scope but `admin`, limited to another creator; as `own` when missing. */
  limited?: number;
  /** Status for a key with every scope but `admin`, where the resource belongs to another key; only where it has an owner. */
  other?: number;
  body?: object;
}

/** Handle of the creator that the limited key must not see; it stands in bodies. */
export const MINE = 'mine.marker';
/** Where new endpoints are to be made; nobody listens there, and no part of the system is configured to. */
const FRESH_URL = 'http://127.0.0.1:10/fresh';
/** Before every event of the test. */
const SINCE = '2026-11-20T00:00:00Z';

const open: ApiRoute = { needs: 'nothing', own: 200 };
const read = (limited?: number): ApiRoute => ({ needs: ['read'], own: 200, limited });
const write = (own: number, body?: object, limited?: number): ApiRoute => ({ needs: ['creators:write'], own, body, limited });
const ofEndpoint = (needs: readonly Scope[], own: number, body?: object): ApiRoute => ({ needs, own, body, limited: 404, other: 404 });

/** Files of the dashboard and its folders that a browser uses; `index.html` is `/`. */
const DASHBOARD = readdirSync(new URL('../../apps/api/src/dashboard/public/', import.meta.url), { recursive: true, encoding: 'utf8' })
  .filter((path) => /\.(?:js|css|svg)$/.test(path))
  .map((path): [string, ApiRoute] => [`GET /${path.replaceAll('\\', '/')}`, open]);

/** Every route but those for HEAD, which are as those for GET. In the order in which their owner uses them; DELETE goes backwards. */
export const API_ROUTES: Record<string, ApiRoute> = {
  'GET /healthz': open,
  'GET /readyz': open,
  'GET /metrics': open,
  'GET /': open,
  ...Object.fromEntries(DASHBOARD),
  'GET /docs': open,
  'GET /docs/': open,
  'GET /docs/page.js': open,
  'GET /docs/page.css': open,
  'GET /docs/swagger-ui.css': open,
  'GET /docs/swagger-ui-bundle.js': open,
  'GET /openapi.json': open,
  'GET /problems/:code': open,

  'GET /v1/me': { needs: 'a key', own: 200 },
  'GET /v1/status': read(),
  'GET /v1/stream': read(),
  'GET /v1/events': read(),
  'GET /v1/events/export': read(),
  'GET /v1/events/:id': read(404),
  'GET /v1/sessions': read(),
  'GET /v1/sessions/:roomId': read(404),
  'GET /v1/sessions/:roomId/leaderboard': read(404),
  'GET /v1/sessions/:roomId/timeline': read(404),

  'GET /v1/creators': read(),
  'GET /v1/creators/:creator': read(404),
  'POST /v1/creators': write(200, { uniqueId: MINE }, 403),
  'POST /v1/creators/batch': write(200, { creators: [MINE] }),
  'POST /v1/creators/batch/pause': write(200, { creators: [MINE] }),
  'POST /v1/creators/batch/resume': write(200, { creators: [MINE] }),
  'POST /v1/creators/batch/remove': write(200, { creators: ['nobody.at.all'] }),
  'PATCH /v1/creators/:creator': write(200, { paused: false }, 404),
  'DELETE /v1/creators/:creator': write(204, undefined, 404),

  'GET /v1/keys': { needs: ['admin'], own: 200 },
  'POST /v1/keys': { needs: ['admin'], own: 201, body: { name: 'made', scopes: ['read'] } },
  'DELETE /v1/keys/:id': { needs: ['admin'], own: 204 },

  'GET /v1/webhooks': { needs: ['webhooks:read'], own: 200 },
  'POST /v1/webhooks': { needs: ['webhooks:write', 'read'], own: 201, body: { url: FRESH_URL } },
  'GET /v1/webhooks/:id': ofEndpoint(['webhooks:read'], 200),
  'PATCH /v1/webhooks/:id': ofEndpoint(['webhooks:write', 'read'], 200, { description: 'changed' }),
  'DELETE /v1/webhooks/:id': ofEndpoint(['webhooks:write'], 204),
  'POST /v1/webhooks/:id/rotate-secret': ofEndpoint(['webhooks:write'], 200, {}),
  'POST /v1/webhooks/:id/test': ofEndpoint(['webhooks:write'], 200),
  'POST /v1/webhooks/:id/pause': ofEndpoint(['webhooks:write'], 200),
  'POST /v1/webhooks/:id/resume': ofEndpoint(['webhooks:write', 'read'], 200, {}),
  'GET /v1/webhooks/:id/deliveries': ofEndpoint(['webhooks:read', 'read'], 200),
  'POST /v1/webhooks/:id/deliveries/retry': ofEndpoint(['webhooks:write', 'read'], 200, {}),
  'GET /v1/webhooks/:id/deliveries/:delivery': ofEndpoint(['webhooks:read', 'read'], 200),
  'GET /v1/webhooks/:id/deliveries/:delivery/attempts': ofEndpoint(['webhooks:read', 'read'], 200),
  'POST /v1/webhooks/:id/deliveries/:delivery/retry': ofEndpoint(['webhooks:write', 'read'], 202),
  // One runs already.
  'POST /v1/webhooks/:id/replay': ofEndpoint(['webhooks:write', 'read'], 409, { since: SINCE }),
  'GET /v1/webhooks/:id/replays': ofEndpoint(['webhooks:read'], 200),
  'GET /v1/webhooks/:id/replays/:replay': ofEndpoint(['webhooks:read'], 200),
  'DELETE /v1/webhooks/:id/replays/:replay': ofEndpoint(['webhooks:write'], 204),
};

/** What each scope is worth by itself. A new scope has to be entered here. */
export const WORTH: Record<Scope, readonly Scope[]> = {
  read: ['read'],
  'creators:write': ['creators:write'],
  'webhooks:read': ['webhooks:read'],
  'webhooks:write': ['webhooks:write', 'webhooks:read'],
  sign: ['sign'],
  admin: ['read', 'creators:write', 'webhooks:read', 'webhooks:write', 'sign', 'admin'],
};

/** Ids that stand in paths. */
export type Ids = Record<'creator' | 'event' | 'room' | 'webhook' | 'delivery' | 'replay' | 'key' | 'problem', string>;

/** Ids of nothing that there is. */
export const NO_IDS: Ids = {
  creator: 'cr_nobody',
  event: '1-1',
  room: '999',
  webhook: 'wh_nobody',
  delivery: 'dl_nobody',
  replay: 'rp_nobody',
  key: 'key_nobody',
  problem: 'nothing',
};

const PLACES: Record<string, keyof Ids> = {
  'creators/:creator': 'creator',
  'events/:id': 'event',
  'sessions/:roomId': 'room',
  'webhooks/:id': 'webhook',
  'deliveries/:delivery': 'delivery',
  'replays/:replay': 'replay',
  'keys/:id': 'key',
  'problems/:code': 'problem',
};

/** The path of a pattern. @throws Error where the pattern has a place that is not known here */
export function pathOf(pattern: string, ids: Ids): string {
  return pattern.replace(/([^/]+)\/(:\w+)/g, (_, before: string, name: string) => {
    const place = PLACES[`${before}/${name}`];
    if (!place) throw new Error(`${pattern}: say in PLACES what ${before}/${name} is`);
    return `${before}/${encodeURIComponent(ids[place])}`;
  });
}
