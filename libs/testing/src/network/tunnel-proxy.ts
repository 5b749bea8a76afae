import { createServer } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';

/** An HTTP proxy on 127.0.0.1 that supports CONNECT only, as a creator may have. */
export interface TunnelProxy {
  readonly url: string;
  /** Tunnels that were asked for so far. */
  tunnels(): number;
  close(): Promise<void>;
}

/** Starts such a proxy. An end of either side of a tunnel ends both. */
export async function startTunnelProxy(): Promise<TunnelProxy> {
  const sockets = new Set<Socket>();
  let tunnels = 0;
  const server = createServer((_request, response) => void response.writeHead(405).end());
  const keep = (socket: Socket, other: () => Socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => {
      sockets.delete(socket);
      other().destroy();
    });
  };
  server.on('connect', (request, client: Socket, head: Buffer) => {
    tunnels += 1;
    const [host = '', port] = (request.url ?? '').split(':');
    const target = connect(Number(port), host, () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n');
      target.write(head);
      target.pipe(client).pipe(target);
    });
    keep(client, () => target);
    keep(target, () => client);
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    tunnels: () => tunnels,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
