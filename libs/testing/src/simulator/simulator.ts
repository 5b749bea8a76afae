import type { AddressInfo, Server, Socket } from 'node:net';
import { createListener } from './tiktok/listener.js';
import { SimulatorCore } from './simulator-core.js';

/**
 * A simulated TikTok on loopback: pages, room API, signed `im/fetch` and WebSocket push, on one port (plain and TLS), with invented
 * viewers. Every message is numbered and recorded in a ledger; faults are injected on request. Other processes control it by HTTP
 * under `/sim/` (see control/control.ts).
 */
export class Simulator extends SimulatorCore {
  private server: Server | undefined;
  private readonly sockets = new Set<Socket>();

  /** Listens and begins to make traffic. Rejects when the port is taken. */
  async start(): Promise<this> {
    const server = createListener(this, this.sockets);
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.options.port, this.options.host, () => {
        server.off('error', reject);
        resolve();
      });
    });
    this.server = server;
    this.address = server.address() as AddressInfo;
    this.run();
    return this;
  }

  /** Destroys every connection and frees the port. May be called again. */
  async stop(): Promise<void> {
    this.halt();
    const { server } = this;
    this.server = undefined;
    for (const socket of this.sockets) socket.destroy();
    if (server) await new Promise<void>((resolve) => server.close(() => resolve()));
  }
}
