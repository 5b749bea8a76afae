/** What is expected of one route of the signer. Written by hand: it must not follow the code by itself. */
export interface SignerRoute {
  needs: 'nothing' | 'sign' | 'admin';
  /** A request about the creator that the limited key and its token must not see. */
  path: string;
  body?: object;
  /** Status for whoever may all this; an error has its reason beside it. */
  own: string;
  /** What a key gets that is limited to another creator; as `own` when missing. */
  limited?: string;
  /** What a token gets; as its key when missing. */
  token?: string;
}

const FORBIDDEN = '403 forbidden';

/** Every route but those for HEAD, which are as those for GET. `ALL`: whatever the method. */
export function signerRoutes(uniqueId: string, roomId: string): Record<string, SignerRoute> {
  const open = (path: string): SignerRoute => ({ needs: 'nothing', path, own: '200' });
  const sign = (path: string, more: Partial<SignerRoute> = {}): SignerRoute => ({ needs: 'sign', path, own: '200', ...more });
  /** About one creator, which whoever is limited to another one may not ask for. */
  const ofCreator = (path: string, body?: object) => sign(path, { body, limited: FORBIDDEN });
  const unsupported = (path: string) => sign(path, { own: '403 unsupported' });
  const unknown = (path: string) => sign(path, { own: '404 not-found' });
  const url = `https://webcast.tiktok.com/webcast/room/info/?room_id=${roomId}`;
  return {
    'GET /healthz': open('/healthz'),
    'GET /readyz': open('/readyz'),
    'GET /metrics': open('/metrics'),
    'GET /webcast/rooms/:room_id/connect': ofCreator(`/webcast/rooms/${roomId}/connect`),
    'GET /webcast/fetch': ofCreator(`/webcast/fetch?unique_id=${uniqueId}`),
    'GET /webcast/anchors/:unique_id/room_id': ofCreator(`/webcast/anchors/${uniqueId}/room_id`),
    'GET /webcast/anchors/:unique_id/room_info': ofCreator(`/webcast/anchors/${uniqueId}/room_info`),
    'GET /webcast/anchors/:unique_id/user_id': ofCreator(`/webcast/anchors/${uniqueId}/user_id`),
    'GET /webcast/room_id': ofCreator(`/webcast/room_id?uniqueId=${uniqueId}`),
    'GET /webcast/room_info': ofCreator(`/webcast/room_info?uniqueId=${uniqueId}`),
    'GET /webcast/rooms/:room_id/gifts': ofCreator(`/webcast/rooms/${roomId}/gifts`),
    'GET /webcast/gift_info': ofCreator(`/webcast/gift_info?room_id=${roomId}`),
    'POST /webcast/bulk_live_check': ofCreator('/webcast/bulk_live_check', { user_numeric_ids: ['1'] }),
    'GET /webcast/sign_url': ofCreator(`/webcast/sign_url?url=${encodeURIComponent(url)}`),
    'POST /webcast/sign_url': ofCreator('/webcast/sign_url', { url }),
    'POST /tiktok/sign_url': ofCreator('/tiktok/sign_url', { url }),
    'POST /api/eulerstream': ofCreator('/api/eulerstream', { url }),
    'GET /accounts/me/rate_limits': sign('/accounts/me/rate_limits'),
    'GET /webcast/rate_limits': sign('/webcast/rate_limits'),
    'POST /accounts/:account_id/jwt/create': sign('/accounts/1/jwt/create', { body: { expireAfter: 60 }, token: FORBIDDEN }),
    'POST /v1/tokens': sign('/v1/tokens', { body: { expiresInSeconds: 60 }, own: '201', token: FORBIDDEN }),
    'GET /v1/providers': sign('/v1/providers', { limited: FORBIDDEN }),
    'POST /v1/providers/:name/reset': { needs: 'admin', path: '/v1/providers/simulator/reset', own: '204' },
    'POST /webcast/rooms/:room_id/chat': unsupported(`/webcast/rooms/${roomId}/chat`),
    'POST /webcast/chat': unsupported('/webcast/chat'),
    'ALL /webcast/*': unknown('/webcast/nothing'),
    'ALL /tiktok/*': unknown('/tiktok/nothing'),
    'ALL /accounts/*': unknown('/accounts/nothing'),
    'ALL /api/*': unknown('/api/nothing'),
  };
}
