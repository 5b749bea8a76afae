import { startWebhookReceiver } from '@tributary/testing';
import { drainEndpoints, Ledger, seqOf, type Subject, type Tally } from '../parts/webhook-ledger.js';
import type { FailoverSystem } from './failover-system.js';

const ENDPOINTS = 8;
const TIMEOUT_MS = 3_000;
const PATIENCE_MS = 40_000;

/** Endpoints of a system: four ordered ones of one creator, two parallel ones, two batched; half of them fail now and then. */
export class Endpoints {
  private readonly subjects: Subject[] = [];
  private readonly ledger = new Ledger((index) => this.subjects[index] ?? { temper: 'good', batched: false });

  constructor(private readonly system: FailoverSystem) {}

  async start(): Promise<void> {
    const { system, subjects, ledger } = this;
    const receiver = await startWebhookReceiver({ keep: false, answer: (hook) => ledger.answer(hook) });
    system.atEnd(() => receiver.close());
    const creators = (await system.creators()).map(({ id }) => id);
    for (let index = 0; index < ENDPOINTS; index++) {
      const ordered = index < ENDPOINTS / 2;
      const batched = index >= ENDPOINTS - 2;
      const creatorIds = creators.slice(2 * index, 2 * index + (ordered ? 1 : 2));
      const subject: Subject = { index, id: '', temper: index % 2 === 0 ? 'good' : 'flaky', ordered, batched, creatorIds, after: 0 };
      subjects.push(subject);
      const made = await system.stack.call<{ id: string; position: string }>('POST', '/v1/webhooks', {
        url: receiver.url(`/${index}`),
        creators: creatorIds,
        types: ['tiktok.live.*'],
        ordered,
        timeoutMs: TIMEOUT_MS,
        ...(batched ? { batch: { maxEvents: 20, maxWaitMs: 500 } } : {}),
      });
      subject.id = made.id;
      subject.after = seqOf(made.position);
    }
  }

  /** Waits until everything is delivered, and compares it with the log. */
  drain(): Promise<Tally> {
    const { system, ledger, subjects } = this;
    const wasStored = (id: string) => system.former.some(({ ids }) => ids.has(id));
    return drainEndpoints({
      stack: system.stack,
      ledger,
      among: subjects,
      patienceMs: PATIENCE_MS,
      tally: () => ledger.tally(system.pool, subjects, wasStored),
    });
  }
}
