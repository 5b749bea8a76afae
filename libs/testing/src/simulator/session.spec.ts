import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { get } from 'node:https';
import { ProtoMessageFetchResult } from 'tiktok-live-proto/v3';
import { waitFor } from '../wait-for.js';
import { Simulator } from './simulator.js';
import { control, Viewer, type Watcher, type WatchOptions } from './client/viewer.js';

describe('what only TikTok can make is believed from nobody else', () => {
  let simulator: Simulator;
  let viewer: Viewer;
  let roomId: string;

  beforeAll(async () => {
    simulator = await new Simulator({ rooms: [{ uniqueId: 'luna.bakes' }, { uniqueId: 'other' }], signatureTtlMs: 1_500 }).start();
    viewer = await Viewer.open(simulator.url);
    roomId = simulator.room('luna.bakes')?.roomId ?? '';
  });

  afterAll(() => simulator.stop());

  const path = () => `/webcast/im/fetch/?aid=1988&room_id=${roomId}`;
  const fetchBytes = async (url: string, headers: Record<string, string>) => {
    const response = await fetch(url, { headers });
    return { status: response.status, bytes: (await response.arrayBuffer()).byteLength };
  };
  const headers = () => ({ 'user-agent': viewer.userAgent, cookie: viewer.cookie });
  const empty = { status: 200, bytes: 0 };

  it('a signed request with a session gets the bundle, over any scheme and host and with doubled slashes', async () => {
    const signed = await viewer.sign(path());
    expect((await fetchBytes(signed, headers())).bytes).toBeGreaterThan(1_000);
    expect(
      (await fetchBytes(signed.replace('127.0.0.1', 'localhost').replace('/webcast/im', '//webcast/im'), headers())).bytes,
    ).toBeGreaterThan(1_000);
  });

  it('an URL that ends in & can be signed', async () => {
    expect((await fetchBytes(await viewer.sign(`${path()}&`), headers())).bytes).toBeGreaterThan(1_000);
  });

  it('no signature, a changed one, another room, another user agent and another session get an empty 200', async () => {
    const signed = await viewer.sign(path());
    expect(await fetchBytes(`${simulator.url}${path()}`, headers())).toEqual(empty);
    expect(await fetchBytes(signed.replace(/X-Bogus=./, 'X-Bogus=_'), headers())).toEqual(empty);
    expect(await fetchBytes(signed.replace(/X-Gnarly=.{4}/, 'X-Gnarly=aaaa'), headers())).toEqual(empty);
    expect(await fetchBytes(signed.replace(roomId, simulator.room('other')?.roomId ?? ''), headers())).toEqual(empty);
    expect(await fetchBytes(signed, { ...headers(), 'user-agent': 'curl/8' })).toEqual(empty);
    expect(await fetchBytes(signed, { 'user-agent': viewer.userAgent })).toEqual(empty);
    expect(await fetchBytes(signed, { ...headers(), cookie: 'ttwid=1%7Cinvented%7C1760000000%7Cabc' })).toEqual(empty);
    expect(simulator.stats().refused).toMatchObject({
      'no signature': 1,
      'signature wrong': 4,
      'no session cookie': 1,
      'session cookie unknown': 1,
    });
  });

  it('a signature is too old after its time', async () => {
    const signed = await viewer.sign(path());
    await waitFor(async () => (await fetchBytes(signed, headers())).bytes === 0, { what: 'expiry', everyMs: 200 });
    expect(simulator.stats().refused).toMatchObject({ 'signature expired': 1 });
  });

  it('refuses with 403 when set so', async () => {
    const strict = await new Simulator({ refuseWith: 'http403', rooms: [{ uniqueId: 'a' }] }).start();
    try {
      expect((await fetch(`${strict.url}/webcast/im/fetch/?room_id=${strict.room('a')?.roomId ?? ''}`)).status).toBe(403);
    } finally {
      await strict.stop();
    }
  });

  describe('a push socket', () => {
    const watchers: Watcher[] = [];
    const outcome = async (options: WatchOptions, room = roomId) => {
      const watcher = await viewer.watch(room, options);
      watchers.push(watcher);
      await waitFor(() => watcher.opened || watcher.refused);
      return watcher.refused ?? 'open';
    };

    afterAll(() => {
      for (const watcher of watchers) watcher.socket.terminate();
    });

    it('opens with its bundle on both paths, and anonymously', async () => {
      expect(await outcome({})).toBe('open');
      expect(await outcome({ path: '/webcast/im/push/v2/' })).toBe('open');
      expect(await outcome({ anonymous: true })).toBe('open');
    });

    it('is refused without session, with another room’s or an invented bundle, without any, and for a room that is over', async () => {
      expect(await outcome({ cookie: '' })).toBe('200 illegal secret key');
      expect(await outcome({ override: { room_id: simulator.room('other')?.roomId ?? '' } })).toBe('200 illegal secret key');
      expect(await outcome({ override: { internal_ext: 'internal_src:dim|wss_push_room_id:1' } })).toBe('200 illegal secret key');
      expect(await outcome({ override: { internal_ext: '' } })).toBe('200 illegal secret key');
      expect(await outcome({ anonymous: true, override: { room_id: '7000000000000000000' } })).toBe('200 room has finished');
      expect(await outcome({ path: '/webcast/elsewhere/' })).toBe('404');
    });

    it('refuses the anonymous way when that is switched off', async () => {
      const strict = await new Simulator({ anonymousAllowed: false, rooms: [{ uniqueId: 'a' }] }).start();
      try {
        const watcher = await (await Viewer.open(strict.url)).watch(strict.room('a')?.roomId ?? '', { anonymous: true });
        await waitFor(() => watcher.refused);
        expect(watcher.refused).toBe('200 illegal secret key');
      } finally {
        await strict.stop();
      }
    });

    it('answers a room entry, moves to another room, and counts heartbeats', async () => {
      const watcher = await viewer.watch(roomId);
      watchers.push(watcher);
      await waitFor(() => watcher.opened);
      const otherId = simulator.room('other')?.roomId ?? '';
      watcher.enter(otherId);
      watcher.heartbeat(otherId);
      // What 1.x and 2.0 send as their heartbeat.
      watcher.socket.send(Buffer.from('3a026862', 'hex'));
      await waitFor(() => watcher.types.has('im_enter_room_resp'));
      await waitFor(() => [...(simulator.room('other')?.connections ?? [])].some(({ info }) => info.heartbeats === 2 && info.enteredRoom));
    });

    it('a viewer that comes back gets the newest messages again', async () => {
      await control(simulator, 'PATCH', '/sim/rooms/luna.bakes', { rate: 0 });
      await control(simulator, 'POST', '/sim/rooms/luna.bakes/burst', { messages: 30 });
      const watcher = await viewer.watch(roomId);
      watchers.push(watcher);
      await waitFor(() => watcher.frames.length === 1);
      const newest = [...(simulator.room('luna.bakes')?.ledger.entries() ?? [])].slice(-6).map((entry) => entry.msgId);
      expect(watcher.msgIds).toEqual(newest);
    });

    it('is cut when nothing is heard from it for too long', async () => {
      const strict = await new Simulator({ heartbeatTimeoutMs: 300, rooms: [{ uniqueId: 'a', rate: 0 }] }).start();
      try {
        const watcher = await (await Viewer.open(strict.url)).watch(strict.room('a')?.roomId ?? '', { ack: false });
        await waitFor(() => watcher.closed);
        expect(strict.room('a')?.pastConnections[0]?.reason).toBe('no heartbeat');
      } finally {
        await strict.stop();
      }
    });
  });

  it('speaks TLS on the same port', async () => {
    const body = await new Promise<string>((resolve, reject) => {
      get(`${simulator.url.replace('http:', 'https:')}/@luna.bakes/live`, { rejectUnauthorized: false }, (response) => {
        let text = '';
        response.on('data', (chunk: Buffer) => (text += chunk.toString()));
        response.on('end', () => resolve(text));
      }).on('error', reject);
    });
    expect(body).toMatch(/<script id="SIGI_STATE" type="application\/json">[^\n]*"roomId":"\d+"[^\n]*<\/script>/);
  });

  it('says what is true of users and rooms, in TikTok’s codes', async () => {
    const json = async (route: string): Promise<unknown> => (await viewer.get(route)).json();
    expect(await json('/api-live/user/room/?uniqueId=nobody&sourceType=54')).toMatchObject({ statusCode: 19_881_007 });
    expect(await json('/api-live/user/room/?sourceType=54')).toMatchObject({ statusCode: 19_881_005 });
    expect(await json('/api-live/user/room/?uniqueId=other&room_id=1')).toMatchObject({ data: { liveRoom: { status: 2 } }, statusCode: 0 });
    expect(await json('/webcast/room/info/?room_id=1')).toMatchObject({ status_code: 30_003 });
    await control(simulator, 'PATCH', '/sim/rooms/other', { gated: true });
    expect(await json(`/webcast/room/info/?room_id=${simulator.room('other')?.roomId ?? ''}`)).toMatchObject({ status_code: 4_003_182 });
    await control(simulator, 'PATCH', '/sim/rooms/other', { gated: false, loginNeeded: true });
    expect(await json(`/webcast/room/info/?room_id=${simulator.room('other')?.roomId ?? ''}`)).toMatchObject({ status_code: 20_003 });
    expect(await json(`/webcast/room/check_alive/?room_ids=${roomId},7000000000000000001`)).toMatchObject({
      data: [
        { alive: true, room_id_str: roomId },
        { alive: false, room_id_str: '7000000000000000001' },
      ],
    });
    expect(await (await viewer.get('/@nobody/live')).text()).not.toContain('liveRoomUserInfo');
  });

  it('a bundle names this server, cursor and route parameters', async () => {
    const bundle = ProtoMessageFetchResult.decode(await viewer.bundle(roomId));
    expect(bundle.pushServer).toBe(simulator.socketUrl);
    expect(bundle.cursor).not.toBe('');
    expect(bundle.needAck).toBe(true);
    expect(Object.keys(bundle.routeParams)).toEqual(['imprp', 'wrss']);
  });
});
