import type { Entry, EntryReader } from './entry.js';

const DELIVERIES_MAX = 20;

/** Reads the events of deliveries that are tried again: those asked for at the same time, in one query. */
export class DeliveryLoader {
  private waiting: {
    endpointId: string;
    id: string;
    seqs?: readonly number[];
    resolve: (entries: Entry[]) => void;
    reject: (error: unknown) => void;
  }[] = [];
  private running = false;

  constructor(private readonly entries: Pick<EntryReader, 'ofDeliveries'>) {}

  /** The events of an open delivery that still exist, in log order; `seqs` where it has no row of its own yet. */
  load(endpointId: string, id: string, seqs?: readonly number[]): Promise<Entry[]> {
    const loaded = new Promise<Entry[]>((resolve, reject) =>
      this.waiting.push({ endpointId, id, ...(seqs ? { seqs } : {}), resolve, reject }),
    );
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
        const found = await this.entries.ofDeliveries(group);
        for (const { id, resolve, reject } of group) {
          const entries = found.get(id);
          if (entries) resolve(entries);
          else reject(new Error(`the delivery ${id} is not in the database`));
        }
      } catch (error) {
        for (const { reject } of group) reject(error);
      }
    }
    this.running = false;
  }
}

/** Lets few pieces of work run at a time, the others in the order they came. */
export class Turnstile {
  private running = 0;
  private readonly line: (() => void)[] = [];

  constructor(private readonly atOnceMax: number) {}

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.running >= this.atOnceMax) await new Promise<void>((resolve) => this.line.push(resolve));
    else this.running += 1;
    try {
      return await work();
    } finally {
      const next = this.line.shift();
      // The place goes to the next in line, or is free.
      if (next) next();
      else this.running -= 1;
    }
  }
}
