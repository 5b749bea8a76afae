import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * The receiver of the webhook benchmark, a process of its own: answers 200 to everything and counts. `GET /counts` gives
 * requests, events (bodies that are arrays count their items) and, of requests that carry a CloudEvent, how late they are.
 */
const ARRAY_ITEM = '"specversion":"1.0"';

let requests = 0;
let events = 0;
let measuring = false;
let lateMs: number[] = [];

const server = createServer({ keepAliveTimeout: 65_000 }, (request, response) => {
  if (request.method === 'GET') {
    if (request.url === '/measure') measuring = true;
    const late = lateMs.sort((a, b) => a - b);
    const at = (share: number) => late[Math.min(late.length - 1, Math.floor(late.length * share))] ?? 0;
    response.end(
      JSON.stringify({ requests, events, at: Date.now(), measured: late.length, p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1) }),
    );
    if (request.url === '/measure') lateMs = [];
    return;
  }
  const batch = request.headers['content-type'] === 'application/cloudevents-batch+json';
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => {
    if (batch || measuring) chunks.push(chunk);
  });
  request.on('end', () => {
    requests += 1;
    if (batch) events += Buffer.concat(chunks).toString('latin1').split(ARRAY_ITEM).length - 1;
    else events += 1;
    if (measuring) {
      const body = Buffer.concat(chunks).toString();
      const receivedAt = /"receivedat":"([^"]+)"/.exec(body)?.[1];
      if (receivedAt) lateMs.push(Date.now() - Date.parse(receivedAt));
    }
    response.end();
  });
});
server.listen(0, '127.0.0.1', () => process.stdout.write(`${JSON.stringify({ port: (server.address() as AddressInfo).port })}\n`));
