import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { HttpSigner, LocalSigningProvider, useLocalSigner } from '@tributary/signing';
import { connectorOptions, Simulator } from '@tributary/testing';
import type { EventEmitter } from 'node:events';
import { createRequire } from 'node:module';
import {
  createEulerClient,
  PremiumFeatureError,
  SignAPIError,
  SignatureMissingTokensError,
  SignatureRateLimitError,
  TikTokLiveConnection,
} from 'tiktok-live-connector';
import { ScriptedUpstream } from '../testing/scripted-upstream.js';
import { type RunningSigner, startSigner } from '../testing/start-signer.js';

const NAME = 'luna.bakes';
const require = createRequire(import.meta.url);

/** The client library's own constructor, its options loosened: its types know no partial overrides. */
const Connection = TikTokLiveConnection as unknown as new (name: string, options: object) => TikTokLiveConnection & EventEmitter;

/** Resolves with the first event of each type; rejects after 10 s. */
async function firstEvents(connection: EventEmitter, types: ('chat' | 'like' | 'member')[]): Promise<void> {
  const timeout = AbortSignal.timeout(10_000);
  await Promise.all(
    types.map(
      (type) =>
        new Promise<void>((resolve, reject) => {
          connection.on(type, () => resolve());
          timeout.addEventListener('abort', () => reject(new Error(`no ${type} within 10 s`)));
        }),
    ),
  );
}

describe('unmodified clients against the signer and a simulated TikTok', () => {
  let simulator: Simulator;
  let signer: RunningSigner;
  let restore: () => void;
  let connection: InstanceType<typeof Connection> | undefined;

  const start = async (signProviders: string[], settings: object = {}) => {
    signer = await startSigner({
      signProviders,
      tiktokWebUrl: simulator.url,
      tiktokWebcastUrl: simulator.url,
      tiktokSocketUrl: simulator.socketUrl,
      ...settings,
    });
    restore = useLocalSigner(signer.url);
  };
  const roomId = () => simulator.room(NAME)?.roomId ?? '';

  beforeEach(async () => {
    simulator = await new Simulator({ rooms: [{ uniqueId: NAME, rate: 20 }] }).start();
  });
  afterEach(async () => {
    await connection?.disconnect();
    connection = undefined;
    restore();
    await signer.stop();
    await simulator.stop();
  });

  it.each(['simulator', 'anonymous'])('tiktok-live-connector 2.5.0 connects through provider %s and receives events', async (provider) => {
    await start([provider]);
    connection = new Connection(NAME, { ...connectorOptions(simulator.url), processInitialData: false });
    const events = firstEvents(connection, ['chat', 'like', 'member']);
    const state = await connection.connect();
    expect(state.roomId).toBe(roomId());
    await events;
    const request = signer.logged.find(({ fields }) => fields.route === '/webcast/rooms/:room_id/connect');
    expect(request?.fields).toMatchObject({ provider, client: 'ttlive-node', status: 200 });
  });

  it('signs the gift list for it, so that extended gift info works', async () => {
    await start(['simulator']);
    connection = new Connection(NAME, { ...connectorOptions(simulator.url), enableExtendedGiftInfo: true });
    const { availableGifts } = await connection.connect();
    expect(availableGifts?.length).toBeGreaterThan(0);
  });

  it('finds the room where its own methods fail, and says whether the creator is live', async () => {
    await start(['simulator']);
    const client = createEulerClient();
    expect((await client.anchors.retrieveRoomId(NAME)).data).toMatchObject({ code: 200, ok: true, is_live: true, room_id: roomId() });
    const { data } = await client.anchors.retrieveRoomInfo(NAME);
    expect(data).toMatchObject({ ok: true, data: { unique_id: NAME, room_info: { id: roomId(), is_live: true } } });
    expect((await client.anchors.retrieveRoomId('nobody.here')).data).toMatchObject({ code: 404, ok: false });
    expect((await client.accounts.getRateLimits()).data).toMatchObject({ code: 200 });
  });

  it('answers an offline creator as such, by room and by name, and holds it against no provider', async () => {
    await start(['simulator', 'anonymous']);
    const room = simulator.room(NAME);
    if (room) simulator.goOffline(room, false);
    const local = new HttpSigner({ url: signer.url });
    const never = new AbortController().signal;
    expect(await local.fetchBundle({ roomId: roomId() }, never)).toMatchObject({ ok: false, reason: 'offline' });
    expect(await local.fetchBundle({ roomId: '', uniqueId: NAME }, never)).toMatchObject({ ok: false, reason: 'offline' });
    expect(await local.fetchBundle({ roomId: '', uniqueId: 'nobody.here' }, never)).toMatchObject({ ok: false, status: 404 });
    expect(await local.roomId(NAME, never)).toMatchObject({ ok: true, live: false });
    const { data } = (await (await fetch(`${signer.url}/v1/providers`)).json()) as { data: { operations: { connect: object } }[] };
    expect(data[0]?.operations.connect).toMatchObject({ breaker: { state: 'closed' } });
  });

  it('gives an old script its socket by name alone', async () => {
    await start(['simulator']);
    const socket = await new LocalSigningProvider(`${signer.url}/api`).signedWebSocketProvider({ uniqueId: NAME });
    expect(socket.wsUrl).toMatch(/^ws:\/\//);
    expect(socket.wsParams.room_id).toBe(roomId());
  });

  it('is the signedWebSocketProvider of an old client, as it stands', async () => {
    await start(['simulator']);
    const library = require('ttlc-2-1') as { TikTokLiveConnection: typeof Connection };
    const { default: config } = require('ttlc-2-1/dist/lib/config') as { default: Record<string, string> };
    config.TIKTOK_HOST_WEB = config.TIKTOK_HOST_WEBCAST = new URL(simulator.url).host;
    const provider = new LocalSigningProvider(`${signer.url}/api`);
    const signedWebSocketProvider = provider.signedWebSocketProvider.bind(provider);
    connection = new library.TikTokLiveConnection(NAME, { signedWebSocketProvider, fetchRoomInfoOnConnect: false });
    const events = firstEvents(connection, ['chat', 'like']);
    expect((await connection.connect()).roomId).toBe(roomId());
    await events;
    expect(signer.logged.filter(({ fields }) => fields.client === 'tributary')).toHaveLength(1);
  });

  it('fails over to the next provider while TikTok answers nothing to the first', async () => {
    await start(['simulator', 'anonymous']);
    simulator.fault({ kind: 'empty200', path: '/webcast/im/fetch/', durationMs: 60_000 });
    connection = new Connection(NAME, { ...connectorOptions(simulator.url), fetchRoomInfoOnConnect: false });
    const events = firstEvents(connection, ['chat']);
    await connection.connect();
    await events;
    const { data } = (await (await fetch(`${signer.url}/v1/providers`)).json()) as { data: { operations: { connect: object } }[] };
    expect(data.map(({ operations }) => operations.connect)).toMatchObject([{ failures: { 'empty-body': 1 } }, { successes: 1 }]);
  });

  describe('with a remote sign server', () => {
    let remote: ScriptedUpstream;
    beforeEach(async () => {
      remote = await new ScriptedUpstream().start();
      await start(['remote'], { remoteSignUrl: remote.url, remoteSignKey: 'remote-key' });
    });
    afterEach(() => remote.stop());
    const connecting = async () => {
      connection = new Connection(NAME, { ...connectorOptions(simulator.url), fetchRoomInfoOnConnect: false });
      return connection.connect(roomId()).then(
        () => undefined,
        (error: unknown) => error,
      );
    };

    it('raises its SignatureRateLimitError with the wait that was asked for', async () => {
      remote.fault = 'http-429';
      const error = await connecting();
      expect(error).toBeInstanceOf(SignatureRateLimitError);
      expect((error as SignatureRateLimitError).retryAfter).toBe(7_000);
      expect((error as SignatureRateLimitError).resetTime).toBeGreaterThan(Date.now());
      const again = await connecting();
      expect(again).toBeInstanceOf(SignatureRateLimitError);
      expect(remote.seen).toHaveLength(1);
    });

    it('raises its PremiumFeatureError for 402, and for a signature that no provider may give', async () => {
      remote.fault = 'http-402';
      expect(await connecting()).toBeInstanceOf(PremiumFeatureError);
      const chatted = await connection?.sendMessage('hi', roomId()).then(
        () => undefined,
        (error: unknown) => error,
      );
      expect(chatted).toBeInstanceOf(PremiumFeatureError);
    });

    it('raises its SignAPIError for everything else, and SignatureMissingTokensError for an unsigned URL', async () => {
      for (const fault of ['http-500', 'empty-body', 'empty-cursor', 'missing-cookie', 'garbage', 'crash'] as const) {
        remote.fault = fault;
        await fetch(`${signer.url}/v1/providers/remote/reset`, { method: 'POST' });
        const error = await connecting();
        expect(error).toBeInstanceOf(SignAPIError);
        expect(error).not.toBeInstanceOf(SignatureRateLimitError);
      }
      remote.fault = 'http-500';
      if (connection) connection.webClient.roomId = roomId();
      const gifts = await connection?.fetchAvailableGifts().then(
        () => undefined,
        (error: unknown) => error,
      );
      expect(gifts).toBeInstanceOf(SignatureMissingTokensError);
    });

    it('keeps the key of the remote server, and the session of the client, where they belong', async () => {
      const response = await fetch(`${signer.url}/webcast/rooms/${roomId()}/connect`, {
        headers: { 'x-cookie-header': 'sessionid=theirs', 'x-api-key': 'client-key' },
      });
      expect(response.status).toBe(403);
      expect(await response.json()).toMatchObject({ reason: 'unsupported', message: expect.stringContaining('REMOTE_SIGN_SESSIONS') });
      await fetch(`${signer.url}/webcast/rooms/${roomId()}/connect`, { headers: { 'x-api-key': 'client-key' } });
      expect(remote.seen.map(({ headers }) => headers['x-api-key'])).toEqual(['remote-key']);
      expect(JSON.stringify(signer.logged)).not.toMatch(/remote-key|client-key|theirs/);
    });
  });
});
