import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startWebhookReceiver, waitFor, type WebhookReceiver } from '@tributary/testing';
import { apiDocument, type ApiDocument, operationsOf } from '../testing/api-document.js';
import { ApiUnderTest, draft } from '../testing/api-under-test.js';
import { clientTypes, compileClient } from '../testing/typed-client.js';

const COMPILE_MS = 120_000;

/** The document with one route more. */
function withRoute({ paths, ...rest }: ApiDocument, path: string): ApiDocument {
  return { ...rest, paths: { ...paths, [path]: { get: { ...paths['/v1/me']!.get!, operationId: 'new_get' } } } };
}

describe('a client made by openapi-typescript', () => {
  let document: ApiDocument;
  let types: string;
  beforeAll(async () => {
    document = await apiDocument();
    types = await clientTypes(document);
  });

  it(
    'does not compile while a route is called nowhere',
    async () => {
      const faults = compileClient(await clientTypes(withRoute(document, '/v1/new')));
      expect(faults).toEqual([expect.stringMatching(/^every-route\.ts:\d+ .*"GET \/v1\/new"' is missing/)]);
    },
    COMPILE_MS,
  );

  it(
    'compiles in strict mode beside a file that calls every route, and refuses what an event, a route or a problem does not have',
    () => {
      const uses: [string, RegExp][] = [
        [`(event: Event) => event.type === 'tiktok.live.chat' && event.data.roomLikes`, /'roomLikes' does not exist/],
        [`(event: Event) => event.data.comment`, /'comment' does not exist/],
        [`(event: Event) => event.type === 'tiktok.live.chatt'`, /no overlap/],
        [`(event: Event) => event.type === 'monitor.gap' && event.data.reason === 'tired'`, /no overlap/],
        [`(api: Client) => api.call('GET /v1/events', { query: { types: ['x'] } })`, /'types' does not exist/],
        [`(api: Client) => api.call('GET /v1/events/{id}', {})`, /'path' is missing/],
        [`(api: Client) => api.call('POST /v1/creators', {})`, /'body' is missing/],
        [`(api: Client) => api.call('PATCH /v1/webhooks/{id}', { path: { id: '' }, body: { ordered: 'yes' } })`, /boolean/],
        [`(error: ApiError) => error.problem.code === 'bad-luck'`, /no overlap/],
      ];
      const head = `import type { ApiError, Client, Event } from './client.js';\nexport type Named = [ApiError, Client, Event];\n`;
      const files = Object.fromEntries(uses.map(([use], i) => [`use-${i}.ts`, `${head}export const use = ${use};\n`]));
      // Only the files of wrong uses have faults, one each.
      const faults = compileClient(types, files);
      expect(faults).toEqual(uses.map(([, fault], i) => expect.stringMatching(new RegExp(`^use-${i}.ts:3 .*${fault.source}`))));
    },
    COMPILE_MS,
  );
});

describe('the typed client of examples/', () => {
  let api: ApiUnderTest;
  let receiver: WebhookReceiver;
  beforeAll(async () => {
    receiver = await startWebhookReceiver({});
    api = await ApiUnderTest.start({
      config: { webhookSecretKey: randomBytes(32).toString('base64'), webhookAllowCidrs: ['127.0.0.0/8'] },
    });
  });
  afterAll(async () => {
    await api.stop();
    await receiver.close();
  });

  it('calls every route of the API, and gets what the description says', async () => {
    const events = [
      draft({ roomId: '900', type: 'monitor.live', data: { roomId: '900' } }),
      draft({ roomId: '900' }),
      draft({ roomId: '900' }),
    ];
    await api.commit(events);
    await waitFor(async () => (await api.call('GET', '/v1/sessions/900')).status === 200, { what: 'the session to be counted' });
    const folder = new URL('../../../../examples/typed-client/', import.meta.url);
    const { Client } = (await import(new URL('client.ts', folder).pathname)) as { Client: new (url: string, key: string) => object };
    const { useEveryRoute } = (await import(new URL('every-route.ts', folder).pathname)) as {
      useEveryRoute: (client: object, scene: object) => Promise<Record<string, unknown>>;
    };
    const scene = { uniqueId: 'typed.client', hookUrl: receiver.url('/typed'), roomId: '900', eventId: events[1]!.id };
    const results = await useEveryRoute(new Client(api.url, api.adminKey), scene);
    expect(Object.keys(results).sort()).toEqual(
      operationsOf(await apiDocument())
        .map(({ route }) => route)
        .sort(),
    );
    expect(results).toMatchObject({
      'POST /v1/webhooks': true,
      'PATCH /v1/webhooks/{id}': false,
      'POST /v1/webhooks/{id}/test': 200,
      'POST /v1/webhooks/{id}/deliveries/{delivery}/retry': 'conflict',
      'POST /v1/webhooks/{id}/resume': 'enabled',
      'GET /v1/keys': ['test', 'an overlay'],
      'DELETE /v1/creators/{creator}': 'not-found',
      'GET /v1/stream': expect.stringMatching(/./),
    });
  });
});
