import type { LoadedDelivery, OutboundEventReader, WantedDelivery } from './outbound-events.js';

const DELIVERIES_MAX = 20;

interface Waiting {
  wanted: WantedDelivery;
  resolve: (loaded: LoadedDelivery | undefined) => void;
  reject: (error: unknown) => void;
}

/** Reads the events of deliveries that are tried again: those asked for at the same time, in one query. */
export class EventLoader {
  private waiting: Waiting[] = [];
  private running = false;

  constructor(private readonly entries: Pick<OutboundEventReader, 'ofDeliveries'>) {}

  /** What an open delivery is made of; undefined when the database does not know it. */
  load(wanted: WantedDelivery): Promise<LoadedDelivery | undefined> {
    const loaded = new Promise<LoadedDelivery | undefined>((resolve, reject) => this.waiting.push({ wanted, resolve, reject }));
    if (!this.running) {
      this.running = true;
      setImmediate(() => void this.run());
    }
    return loaded;
  }

  private async run(): Promise<void> {
    while (this.waiting.length > 0) {
      const group = this.waiting.splice(0, DELIVERIES_MAX);
      try {
        const found = await this.entries.ofDeliveries(group.map(({ wanted }) => wanted));
        for (const { wanted, resolve } of group) resolve(found.get(wanted.id));
      } catch (error) {
        for (const { reject } of group) reject(error);
      }
    }
    this.running = false;
  }
}
