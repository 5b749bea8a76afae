import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Client, Refused } from './client.mjs';

let server: Server | undefined;
afterEach(() => void server?.close());

async function serve(answer: (response: ServerResponse, headers: Record<string, unknown>) => void): Promise<Client> {
  server = createServer((request, response) => answer(response, request.headers));
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
  return new Client(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, 'trib_key');
}

const request = { query: new URLSearchParams(), signal: AbortSignal.timeout(5_000) };

describe('reader of the live stream', () => {
  it('reads events however the bytes are cut, and skips comments', async () => {
    const text = ': beat\n\nid: c1\nevent: tiktok.live.chat\ndata: {"a":"é"}\r\n\r\ndata: one\ndata: two\n\nevent: cut\ndata: never ended';
    const bytes = Buffer.from(text);
    const client = await serve((response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      for (const byte of bytes) response.write(Buffer.of(byte));
      response.end();
    });
    const seen = [];
    for await (const event of client.stream(request)) seen.push(event);
    expect(seen).toEqual([{ id: 'c1', event: 'tiktok.live.chat', data: '{"a":"é"}' }, { data: 'one\ntwo' }]);
  });

  it('goes on from its cursor with its key, and tells a refusal', async () => {
    let headers: Record<string, unknown> = {};
    const client = await serve((response, received) => {
      headers = received;
      response.writeHead(401, { 'content-type': 'application/problem+json' }).end('{"detail":"unknown key"}');
    });
    const refusal = client.stream({ ...request, cursor: 'c9' }).next();
    await expect(refusal).rejects.toThrow(Refused);
    await expect(refusal).rejects.toThrow('401 unknown key');
    expect(headers).toMatchObject({ authorization: 'Bearer trib_key', 'last-event-id': 'c9' });
  });
});
