// Calls every route of the API once. It compiles in strict mode against the types that openapi-typescript makes of the API's
// description; a route that is missing here, or that the API does not have, is an error of the compiler.
import { type Answer, ApiError, type Client, type Route } from './client.js';
import { describeEvent } from './describe-event.js';

/** What the calls need to know of each other. */
export interface Scene {
  /** A creator to monitor, without @. */
  uniqueId: string;
  /** Where webhooks may go. */
  hookUrl: string;
  /** Room of a session that exists. */
  roomId: string;
  /** Id of an event that is stored; it must not be the only one. */
  eventId: string;
}

/** One call of each route; the compiler refuses this file when a route is missing, or is none. */
type Calls = { [R in Route]: () => Promise<unknown> };

/** Calls every route in an order in which each finds what it needs. */
export async function useEveryRoute(api: Client, { uniqueId, hookUrl, roomId, eventId }: Scene): Promise<Record<Route, unknown>> {
  let hook: Answer<'POST /v1/webhooks'> | undefined;
  let delivery = '';
  let replay = '';
  let keyId = '';
  const id = () => ({ path: { id: hook!.id } });
  const calls: Calls = {
    'GET /v1/me': () => api.call('GET /v1/me', {}),
    'GET /v1/status': async () => {
      const { log } = await api.call('GET /v1/status', {});
      return log.ok ? log.position : log.reason;
    },
    'GET /problems/{code}': () => api.call('GET /problems/{code}', { path: { code: 'conflict' } }),

    'POST /v1/creators': async () => (await api.call('POST /v1/creators', { body: { uniqueId } })).state,
    'POST /v1/creators/batch': async () =>
      (await api.call('POST /v1/creators/batch', { body: { creators: [uniqueId, { uniqueId, options: { raw: true } }] } })).exists,
    'GET /v1/creators': async () =>
      (await api.call('GET /v1/creators', { query: { paused: false, limit: 10 } })).data.map(({ id: one }) => one),
    'GET /v1/creators/{creator}': async () => (await api.call('GET /v1/creators/{creator}', { path: { creator: uniqueId } })).handles,
    'PATCH /v1/creators/{creator}': async () =>
      (await api.call('PATCH /v1/creators/{creator}', { path: { creator: uniqueId }, body: { options: { types: ['tiktok.live.*'] } } }))
        .options,
    'POST /v1/creators/batch/pause': async () => (await api.call('POST /v1/creators/batch/pause', { body: { creators: [uniqueId] } })).done,
    'POST /v1/creators/batch/resume': async () =>
      (await api.call('POST /v1/creators/batch/resume', { body: { creators: [uniqueId] } })).done,

    'GET /v1/events': async () => {
      const page = await api.call('GET /v1/events', { query: { type: ['tiktok.live.chat', 'monitor.*'], order: 'desc', limit: 5 } });
      return page.data.map(describeEvent);
    },
    'GET /v1/events/{id}': async () =>
      describeEvent(await api.call('GET /v1/events/{id}', { path: { id: eventId }, query: { raw: true } })),
    'GET /v1/events/export': () => api.call('GET /v1/events/export', { query: { format: 'csv' } }),
    'GET /v1/stream': async () => {
      const { data } = await api.call('GET /v1/events', { query: { limit: 1 } });
      for await (const event of api.events({ cursor: data[0]?.position })) return describeEvent(event);
      return undefined;
    },

    'GET /v1/sessions': async () => (await api.call('GET /v1/sessions', { query: { creator: [uniqueId], live: true } })).next,
    'GET /v1/sessions/{roomId}': async () => (await api.call('GET /v1/sessions/{roomId}', { path: { roomId } })).gifters,
    'GET /v1/sessions/{roomId}/leaderboard': async () =>
      (await api.call('GET /v1/sessions/{roomId}/leaderboard', { path: { roomId }, query: { by: 'chats' } })).data[0]?.user.nickname,
    'GET /v1/sessions/{roomId}/timeline': async () =>
      (await api.call('GET /v1/sessions/{roomId}/timeline', { path: { roomId }, query: { bucket: '1h' } })).data[0]?.viewers,

    'POST /v1/webhooks': async () => {
      hook = await api.call('POST /v1/webhooks', {
        header: { 'Idempotency-Key': `typed-${Date.now()}` },
        body: { url: hookUrl, ordered: true },
      });
      return hook.secret.startsWith('whsec_');
    },
    'GET /v1/webhooks': async () => (await api.call('GET /v1/webhooks', { query: { state: 'enabled' } })).data.length,
    'GET /v1/webhooks/{id}': async () => (await api.call('GET /v1/webhooks/{id}', id())).backlog.events,
    'PATCH /v1/webhooks/{id}': async () =>
      (await api.call('PATCH /v1/webhooks/{id}', { ...id(), body: { description: null, ordered: false, types: ['monitor.*'] } })).ordered,
    'POST /v1/webhooks/{id}/rotate-secret': async () => (await api.call('POST /v1/webhooks/{id}/rotate-secret', id())).oldUntil,
    'POST /v1/webhooks/{id}/test': async () => {
      const tested = await api.call('POST /v1/webhooks/{id}/test', id());
      delivery = tested.delivery;
      return tested.attempt.status;
    },
    'POST /v1/webhooks/{id}/pause': async () => (await api.call('POST /v1/webhooks/{id}/pause', id())).state,
    'POST /v1/webhooks/{id}/resume': async () =>
      (await api.call('POST /v1/webhooks/{id}/resume', { ...id(), body: { backlog: 'skip' } })).state,
    'GET /v1/webhooks/{id}/deliveries': async () =>
      (
        await api.call('GET /v1/webhooks/{id}/deliveries', { ...id(), query: { limit: 1, type: ['tiktok.live.*'], payload: true } })
      ).data.map(({ types, creators, payload }) => [types, creators[0]?.uniqueId, payload?.body]),
    'GET /v1/webhooks/{id}/deliveries/{delivery}': async () =>
      (await api.call('GET /v1/webhooks/{id}/deliveries/{delivery}', { path: { ...id().path, delivery } })).eventList,
    'GET /v1/webhooks/{id}/deliveries/{delivery}/attempts': async () =>
      (await api.call('GET /v1/webhooks/{id}/deliveries/{delivery}/attempts', { path: { ...id().path, delivery } })).data[0]?.request.bytes,
    'POST /v1/webhooks/{id}/deliveries/{delivery}/retry': () =>
      // A test is one attempt and no more, which is told as a conflict.
      codeOf(api.call('POST /v1/webhooks/{id}/deliveries/{delivery}/retry', { path: { ...id().path, delivery } })),
    'POST /v1/webhooks/{id}/deliveries/retry': async () => (await api.call('POST /v1/webhooks/{id}/deliveries/retry', id())).retried,
    'POST /v1/webhooks/{id}/replay': async () => {
      const started = await api.call('POST /v1/webhooks/{id}/replay', { ...id(), body: { since: '2020-01-01T00:00:00Z', rateLimit: 0.1 } });
      replay = started.id;
      return started.progress;
    },
    'GET /v1/webhooks/{id}/replays': async () => (await api.call('GET /v1/webhooks/{id}/replays', id())).data.length,
    'GET /v1/webhooks/{id}/replays/{replay}': async () =>
      (await api.call('GET /v1/webhooks/{id}/replays/{replay}', { path: { ...id().path, replay } })).deliveries.open,
    'DELETE /v1/webhooks/{id}/replays/{replay}': () =>
      codeOf(api.call('DELETE /v1/webhooks/{id}/replays/{replay}', { path: { ...id().path, replay } })),
    'DELETE /v1/webhooks/{id}': () => api.call('DELETE /v1/webhooks/{id}', id()),

    'POST /v1/keys': async () => {
      const made = await api.call('POST /v1/keys', { body: { name: 'an overlay', scopes: ['read'] } });
      keyId = made.id;
      return made.scopes;
    },
    'GET /v1/keys': async () => (await api.call('GET /v1/keys', { query: { limit: 10 } })).data.map(({ name }) => name),
    'DELETE /v1/keys/{id}': () => api.call('DELETE /v1/keys/{id}', { path: { id: keyId } }),

    'POST /v1/creators/batch/remove': async () =>
      (await api.call('POST /v1/creators/batch/remove', { body: { creators: [uniqueId] } })).data,
    'DELETE /v1/creators/{creator}': () => codeOf(api.call('DELETE /v1/creators/{creator}', { path: { creator: uniqueId } })),
  };
  const results = {} as Record<Route, unknown>;
  for (const [route, call] of Object.entries(calls) as [Route, () => Promise<unknown>][]) {
    try {
      results[route] = await call();
    } catch (error) {
      throw new Error(`${route}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    }
  }
  return results;
}

/** What became of a call that may be refused: the stable code of the refusal, or `done`. */
async function codeOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return 'done';
  } catch (error) {
    if (error instanceof ApiError) return error.problem.code;
    throw error;
  }
}
