import type { Logger } from '@tributary/runtime';
import { GiftPrices, RoomConnection, RoomNormaliser } from '@tributary/webcast';
import type { ProxyRoutes } from '../signing/proxy-routes.js';
import type { BackPressure } from '../pacing/back-pressure.js';
import type { Normaliser, NormaliserOptions } from './message-pipeline.js';
import type { Connection, ConnectionOptions, RoomFactory } from './room-services.js';

export interface WebcastRoomsOptions {
  logger: Logger;
  pressure: BackPressure;
  proxies: ProxyRoutes;
  /** Hosts besides TikTok's that a bundle may point to. */
  allowedHosts: readonly string[];
  /** Keeps the raw protobuf of messages, unless the creator's options name something else. */
  keepRaw: boolean;
}

/** Makes connections and normalisers of libs/webcast. Open sockets are paused by back-pressure. */
export class WebcastRooms implements RoomFactory {
  private readonly prices = new GiftPrices();

  constructor(private readonly options: WebcastRoomsOptions) {}

  connection(options: ConnectionOptions): Connection {
    const { logger, pressure, proxies, allowedHosts } = this.options;
    const { proxy } = options.bundle;
    const connection: RoomConnection = new RoomConnection({
      ...options,
      proxy: proxy === undefined ? undefined : proxies.to(proxy),
      logger,
      allowedHosts,
      onOpen: () => {
        pressure.add(connection);
        options.onOpen();
      },
      onClose: (end) => {
        pressure.remove(connection);
        options.onClose(end);
      },
    });
    return connection;
  }

  normaliser({ record, ...options }: NormaliserOptions): Normaliser {
    return new RoomNormaliser({
      ...options,
      creatorId: record.id,
      handle: record.uniqueId,
      userId: record.userId,
      prices: this.prices,
      keepRaw: record.options.raw ?? this.options.keepRaw,
      types: record.options.types,
    });
  }
}
