import type { EventEmitter } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import EulerStreamApiClient from 'tiktok-live-api-sdk';
import { TikTokLiveConnection, type WebcastWebSocketClient } from 'tiktok-live-connector';
import type { ProtoMessageFetchResult } from 'tiktok-live-proto/v3';
import { waitFor } from '../../wait-for.js';
import { connectorOptions } from './connector.js';
import type { LedgerEntry } from '../room/ledger.js';
import { Simulator } from '../simulator.js';
import { control, Viewer } from './viewer.js';

describe('tiktok-live-connector 2.5.0, unmodified, against the simulator', () => {
  let simulator: Simulator;
  let signer: Server;
  let connection: TikTokLiveConnection | undefined;

  beforeEach(async () => {
    simulator = await new Simulator({ rooms: [{ uniqueId: 'luna.bakes', rate: 400 }] }).start();
    signer = await startSigner(simulator.url);
  });

  afterEach(async () => {
    await connection?.disconnect();
    connection = undefined;
    await simulator.stop();
    await new Promise((resolve) => signer.close(resolve));
  });

  const connect = (uniqueId = 'luna.bakes') => {
    const { port } = signer.address() as AddressInfo;
    connection = new TikTokLiveConnection(uniqueId, {
      ...connectorOptions(simulator.url),
      eulerApiInstance: new EulerStreamApiClient({ basePath: `http://127.0.0.1:${port}`, baseOptions: { validateStatus: () => true } }),
    });
    return connection;
  };

  it('resolves the room, connects, enters, and receives every kind of event', async () => {
    const client = connect();
    const kinds = ['chat', 'gift', 'like', 'member', 'roomUser', 'follow', 'share', 'questionNew', 'emote', 'envelope', 'superFan', 'superFanJoin', 'superFanBox', 'captionMessage', 'roomPin', 'pollMessage', 'goalUpdate', 'imDelete', 'linkMicBattle', 'linkMicArmies', 'controlMessage', 'subNotify', 'liveIntro', 'enterRoom']; // prettier-ignore
    const seen = new Map<string, number>();
    for (const kind of kinds) events(client).on(kind, () => void seen.set(kind, (seen.get(kind) ?? 0) + 1));
    const state = await client.connect();
    expect(state.roomId).toBe(simulator.room('luna.bakes')?.roomId);
    await waitFor(() => seen.size === kinds.length, { what: 'every kind of event' });
    expect(seen.get('member')).toBeGreaterThan(20);
  });

  it('delivers the messages that the ledger says were written, each acknowledged', async () => {
    const client = connect();
    const received = new Set<string>();
    events(client).on('websocketConnected', (socket: WebcastWebSocketClient) => {
      events(socket).on('protoMessageFetchResult', (batch: ProtoMessageFetchResult) => {
        for (const message of batch.messages) received.add(message.msgId);
      });
    });
    await client.connect();
    await waitFor(() => received.size > 500);
    await control(simulator, 'PATCH', '/sim/rooms/luna.bakes', { rate: 0 });
    const written = async () =>
      (await control<LedgerEntry[]>(simulator, 'GET', '/sim/rooms/luna.bakes/ledger')).filter((entry) => entry.connections.includes('c1'));
    await waitFor(async () => (await written()).every((entry) => entry.acked.includes('c1')), { what: 'all acknowledgements' });
    const entries = await written();
    expect(entries.filter((entry) => !received.has(entry.msgId))).toEqual([]);
    expect(entries.length).toBe(received.size);
  });

  it('tells the room info and refuses it for a gated room, which can still be connected', async () => {
    simulator.openRoom({ uniqueId: 'gated', gated: true });
    const client = connect();
    expect(((await client.fetchRoomInfo()) as { data: { status: number } }).data.status).toBe(2);
    const gated = connect('gated');
    expect(await gated.fetchRoomInfo()).toMatchObject({ status_code: 4_003_182 });
    await gated.connect();
    expect(gated.isConnected).toBe(true);
  });

  it('is told of the end of a broadcast, and finds another room id at the next', async () => {
    const client = connect();
    await client.connect();
    const first = client.roomId;
    const ended = new Promise((resolve) => events(client).once('streamEnd', resolve));
    await control(simulator, 'PATCH', '/sim/rooms/luna.bakes', { live: false });
    expect(await ended).toEqual({ action: 3 });
    expect(await connect().fetchIsLive()).toBe(false);
    await control(simulator, 'PATCH', '/sim/rooms/luna.bakes', { live: true });
    const next = connect();
    await next.connect();
    expect(next.roomId).not.toBe(first);
  });

  it('gives the gift list to a request that the signer signed', async () => {
    const client = connect();
    await client.connect();
    expect(((await client.fetchAvailableGifts()) as { name: string }[]).map((gift) => gift.name)).toContain('Rose');
  });
});

/** The library's declarations lost its emitter: it takes the type from a package that it does not install. */
function events(emitter: TikTokLiveConnection | WebcastWebSocketClient): EventEmitter {
  return emitter as unknown as EventEmitter;
}

/** The two routes of a sign server that the client needs, answered by way of the simulator. */
async function startSigner(simulatorUrl: string): Promise<Server> {
  const server = createServer((request, response) => {
    const answer = async () => {
      const url = new URL(request.url ?? '/', 'http://localhost');
      const roomId = /^\/webcast\/rooms\/(\d+)\/connect$/.exec(url.pathname)?.[1];
      if (roomId) {
        const viewer = await Viewer.open(simulatorUrl, url.searchParams.get('user_agent') ?? 'test');
        const bundle = await viewer.bundle(roomId);
        response.writeHead(200, { 'x-set-tt-cookie': `${viewer.cookie}; Path=/`, 'content-type': 'application/x-protobuf' }).end(bundle);
        return;
      }
      const chunks: Buffer[] = [];
      for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
      const { url: target, userAgent } = JSON.parse(Buffer.concat(chunks).toString()) as { url: string; userAgent: string };
      const signed = await fetch(`${simulatorUrl}/sim/sign`, { method: 'POST', body: JSON.stringify({ url: target, userAgent }) });
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ code: 200, response: await signed.json() }));
    };
    answer().catch((error: unknown) => response.writeHead(500).end(JSON.stringify({ code: 500, message: String(error) })));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}
