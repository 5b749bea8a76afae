import type { AddressInfo } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import { WebcastPushFrame } from 'tiktok-live-proto/v3';
import { WebSocket, WebSocketServer } from 'ws';
import { ackMessage } from './ack-message.js';

describe('the acknowledgement of a frame', () => {
  it.each([
    ['9007199254740993', 'fetch_time:1700000000000|seq:1'],
    ['1', 'x'],
    ['18446744073709551615', 'é'.repeat(80)],
    ['7540589352666090247', 'a'.repeat(200)],
    ['-1', 'b'.repeat(70_000)],
  ])('reaches a WebSocket server as the schema would have written it: %s', async (logId, internalExt) => {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    const received = new Promise<Buffer>((resolve) => {
      server.on('connection', (socket) => socket.once('message', (data: Buffer) => resolve(data)));
    });
    await new Promise((resolve) => server.once('listening', resolve));
    const client = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`);
    client.once('upgrade', ({ socket }) => client.once('open', () => socket.write(ackMessage(logId, internalExt))));
    const ack = { seqId: '0', service: '0', method: '0', headers: [], payloadEncoding: 'pb', payloadType: 'ack' };
    const written = BigInt.asIntN(64, BigInt(logId)).toString();
    const expected = WebcastPushFrame.encode({ ...ack, logId: written, payload: Buffer.from(internalExt) }).finish();
    expect((await received).equals(expected)).toBe(true);
    client.terminate();
    await new Promise((resolve) => server.close(resolve));
  });

  it('is masked with bytes that differ from one to the next', () => {
    const masks = new Set(Array.from({ length: 5_000 }, () => ackMessage('1', 'x').subarray(2, 6).toString('hex')));
    expect(masks.size).toBeGreaterThan(4_990);
  });
});
