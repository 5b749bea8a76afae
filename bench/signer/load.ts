import { connect, type Socket } from 'node:net';

/** Result of a run of requests. Latencies in ms. */
export interface LoadResult {
  requests: number;
  seconds: number;
  perSecond: number;
  p50: number;
  p99: number;
  /** Answers by status; everything but 200 is a failure of the measurement. */
  statuses: Record<string, number>;
  bytesPerAnswer: number;
}

export interface LoadOptions {
  url: string;
  /** Path and query of each request, by its number. */
  path: (n: number) => string;
  headers?: Record<string, string>;
  connections: number;
  /** Ends after this time, or after so many requests. */
  seconds?: number;
  requests?: number;
}

const CONNECTS_AT_ONCE = 100;

/**
 * Sends requests over keep-alive connections, one at a time on each, with as little work per answer as can be: the machine is
 * shared with what is measured. Answers must carry a content-length.
 */
export async function load(options: LoadOptions): Promise<LoadResult> {
  const { hostname, port, host } = new URL(options.url);
  const headers = Object.entries({ host, ...options.headers })
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('');
  const latencies: number[] = [];
  const statuses: Record<string, number> = {};
  let bytes = 0;
  let sent = 0;
  const sockets: Socket[] = [];
  // Before the clock starts, and not all at once: the queue of connections that a server has not taken yet is short.
  while (sockets.length < options.connections) {
    const next = Math.min(CONNECTS_AT_ONCE, options.connections - sockets.length);
    sockets.push(...(await Promise.all(Array.from({ length: next }, () => open(Number(port), hostname)))));
  }
  const startedAt = performance.now();
  const endsAt = startedAt + (options.seconds ?? Infinity) * 1000;
  const more = () => sent < (options.requests ?? Infinity) && performance.now() < endsAt;

  const work = (socket: Socket): Promise<void> =>
    new Promise((resolve, reject) => {
      let began = 0;
      // What is left of the answer: unknown until its head has been read.
      let left = -1;
      let head = '';
      const ask = () => {
        if (!more()) {
          socket.end();
          resolve();
          return;
        }
        began = performance.now();
        socket.write(`GET ${options.path(sent++)} HTTP/1.1\r\n${headers}\r\n`);
      };
      socket.once('error', reject);
      socket.on('data', (data: Buffer) => {
        bytes += data.length;
        if (left < 0) {
          head += data.toString('latin1');
          const end = head.indexOf('\r\n\r\n');
          if (end < 0) return;
          const length = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1]);
          if (!Number.isInteger(length)) {
            reject(new Error(`an answer without content-length: ${head.slice(0, 200)}`));
            return;
          }
          const status = head.slice(9, 12);
          statuses[status] = (statuses[status] ?? 0) + 1;
          left = length - (head.length - end - 4);
        } else left -= data.length;
        if (left > 0) return;
        latencies.push(performance.now() - began);
        left = -1;
        head = '';
        ask();
      });
      ask();
    });
  await Promise.all(sockets.map(work));
  const seconds = (performance.now() - startedAt) / 1000;
  const sorted = Float64Array.from(latencies).sort();
  const at = (share: number) => Math.round((sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0) * 100) / 100;
  return {
    requests: sorted.length,
    seconds: Math.round(seconds * 100) / 100,
    perSecond: Math.round(sorted.length / seconds),
    p50: at(0.5),
    p99: at(0.99),
    statuses,
    bytesPerAnswer: Math.round(bytes / Math.max(1, sorted.length)),
  };
}

function open(port: number, host: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, host, () => resolve(socket));
    socket.setNoDelay(true);
    socket.once('error', reject);
  });
}
