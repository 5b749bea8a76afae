import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, it } from '@jest/globals';
import { waitFor } from '@tributary/testing';
import { ApiUnderTest, draft } from '../testing/api-under-test.js';

let api: ApiUnderTest;
const sockets: Socket[] = [];

beforeAll(async () => {
  api = await ApiUnderTest.start({ http: { silenceMsMax: 1_000 } });
});
afterAll(async () => {
  for (const socket of sockets) socket.destroy();
  await api.stop();
});

describe('exports that nobody reads', () => {
  it('end, and their places are free again', async () => {
    const text = Array.from({ length: 500 }, (_, i) => i.toString(36).padStart(8, '0')).join(' ');
    for (let i = 0; i < 10; i++) {
      await api.commit(Array.from({ length: 200 }, () => draft({ data: { comment: text, more: text, evenMore: text } })));
    }
    const { port, hostname } = new URL(api.url);
    for (let i = 0; i < 2; i++) {
      const socket = connect(Number(port), hostname);
      // Without a listener for its data it takes what its buffers hold, and no more.
      socket.on('error', () => undefined);
      socket.write(`GET /v1/events/export HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${api.adminKey}\r\n\r\n`);
      sockets.push(socket);
    }
    const third = async () => (await api.call('GET', '/v1/events/export?type=monitor.gap')).status;
    await waitFor(async () => (await third()) === 429, { what: 'both places to be taken' });
    await waitFor(async () => (await third()) === 200, { what: 'a place to be free again' });
  });
});
