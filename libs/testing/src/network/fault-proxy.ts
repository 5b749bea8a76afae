import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { Transform } from 'node:stream';

/** A TCP proxy on 127.0.0.1 whose faults are switched while connections are open. */
export interface FaultProxy {
  readonly host: '127.0.0.1';
  readonly port: number;
  /** The target's URL with the proxy's address in place of its own. */
  readonly url: string;
  /** Connections open through the proxy. */
  connections(): number;
  /** Destroys every open connection; new ones go through. */
  cut(): void;
  /** Half-open: connections stay, new ones are accepted, and no byte passes in either direction. */
  freeze(): void;
  /** The present connections stay half-open for good: neither side gets a byte of the other again, not even its end. */
  strand(): void;
  /** Lets at most this many bytes a second through each connection and direction. */
  slow(bytesPerSecond: number): void;
  /** Destroys every connection and each new one at once. */
  refuse(): void;
  /** Connections that are made from now on go to another target; those that are open stay where they are. */
  lead(target: string): void;
  /** Ends every fault. What was held back by `freeze` is delivered. */
  heal(): void;
  close(): Promise<void>;
}

type Mode = { kind: 'pass' } | { kind: 'freeze' } | { kind: 'slow'; bytesPerSecond: number } | { kind: 'refuse' };

const DEFAULT_PORTS: Record<string, number> = { 'redis:': 6379, 'postgres:': 5432, 'postgresql:': 5432, 'http:': 80, 'ws:': 80 };
const TICK_MS = 20;

/** Starts a proxy before `target`, e.g. `redis://127.0.0.1:6379` or `http://127.0.0.1:3001`. */
export async function startProxy(target: string): Promise<FaultProxy> {
  let goal = addressOf(target);
  const pairs = new Set<Pair>();
  let mode: Mode = { kind: 'pass' };

  const server = createServer((client) => {
    if (mode.kind === 'refuse') return void client.destroy();
    const pair = new Pair(client, connect(goal), () => mode);
    pairs.add(pair);
    pair.onEnd(() => pairs.delete(pair));
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const url = new URL(target);
  url.host = `127.0.0.1:${port}`;
  const cut = () => {
    for (const pair of pairs) pair.destroy();
  };
  return {
    host: '127.0.0.1',
    port,
    url: url.href,
    connections: () => pairs.size,
    cut,
    freeze: () => void (mode = { kind: 'freeze' }),
    strand: () => {
      for (const pair of pairs) pair.strand();
    },
    slow: (bytesPerSecond) => void (mode = { kind: 'slow', bytesPerSecond }),
    refuse: () => {
      mode = { kind: 'refuse' };
      cut();
    },
    lead: (next) => void (goal = addressOf(next)),
    heal: () => void (mode = { kind: 'pass' }),
    close: async () => {
      cut();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function addressOf(target: string): { host: string; port: number } {
  const { protocol, host, hostname, port } = new URL(target);
  const number = Number(port) || DEFAULT_PORTS[protocol];
  if (!number) throw new Error(`a proxy needs a port in its target: ${protocol}//${host}`);
  return { host: hostname, port: number };
}

/** The two sockets of one proxied connection. An end or error of either ends both, unless the proxy is frozen. */
class Pair {
  private readonly endings: (() => void)[] = [];
  private destroyed = false;
  private stranded = false;

  constructor(
    private readonly client: Socket,
    private readonly goal: Socket,
    private readonly mode: () => Mode,
  ) {
    client.setNoDelay(true);
    goal.setNoDelay(true);
    client.pipe(this.line()).pipe(goal);
    goal.pipe(this.line()).pipe(client);
    for (const socket of [client, goal]) {
      socket.on('error', () => {
        if (!this.stranded) this.destroy();
      });
      socket.on('close', () => this.closed());
    }
  }

  onEnd(then: () => void): void {
    this.endings.push(then);
  }

  strand(): void {
    this.stranded = true;
    // Bytes are read and dropped, so that the end of each side is noticed here, and only here.
    for (const socket of [this.client, this.goal]) socket.unpipe().resume();
  }

  destroy(): void {
    if (this.destroyed) return;
    this.destroyed = true;
    this.client.destroy();
    this.goal.destroy();
    for (const then of this.endings) then();
  }

  private closed(): void {
    if (this.destroyed) return;
    if (this.stranded) {
      if (this.client.destroyed && this.goal.destroyed) this.destroy();
      return;
    }
    // On a dead network the other side would not see the end either.
    if (this.mode().kind === 'freeze') setTimeout(() => this.closed(), TICK_MS).unref();
    else this.destroy();
  }

  /** One direction: passes each chunk on when the mode of the moment lets it. */
  private line(): Transform {
    const send = (chunk: Buffer, line: Transform, done: () => void): void => {
      if (this.destroyed || this.stranded) return done();
      const mode = this.mode();
      if (mode.kind === 'freeze') return void setTimeout(() => send(chunk, line, done), TICK_MS);
      const share = mode.kind === 'slow' ? Math.max(1, Math.floor((mode.bytesPerSecond * TICK_MS) / 1_000)) : chunk.length;
      line.push(chunk.subarray(0, share));
      if (share >= chunk.length) return done();
      setTimeout(() => send(chunk.subarray(share), line, done), TICK_MS);
    };
    return new Transform({
      transform(chunk: Buffer, _encoding, done) {
        send(chunk, this, done);
      },
    });
  }
}
