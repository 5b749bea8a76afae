import type { Logger } from '@tributary/runtime';
import { GroupCommit } from './group-commit.js';
import type { Result, RunnerStore } from './runner-store.js';

/** Results of one transaction, and the longest one waits for others. */
const GROUP = { groupSize: 400, waitMs: 50 };
/** Cuts that are through are removed together. */
const CUTS_FORGOTTEN = 50;

/** Writes down what attempts came to, in groups, and removes cuts whose deliveries all have rows with that. */
export class Results {
  private readonly group: GroupCommit<Result>;
  private readonly through: { endpointId: string; id: string }[] = [];

  constructor(
    private readonly store: Pick<RunnerStore, 'results' | 'forget'>,
    logger: Logger,
    /** Called with endpoints of which the database did not take every result: it may not know their deliveries. */
    private readonly refused: (endpointIds: ReadonlySet<string>) => void,
  ) {
    this.group = new GroupCommit({ name: 'results of webhook attempts', ...GROUP, commit: (results) => this.write(results), logger });
  }

  /** Results that are not written yet. */
  get size(): number {
    return this.group.size;
  }

  add(result: Result): void {
    this.group.add(result);
  }

  /** Resolves when everything added so far is written. */
  settled(): Promise<boolean> {
    return this.group.settled();
  }

  stop(ms: number): Promise<void> {
    return this.group.stop(ms);
  }

  /** Removes the cuts that are through. They do no harm: whoever reads them finds that their deliveries have rows. */
  async forgetCuts(): Promise<void> {
    const cuts = this.through.splice(0);
    if (cuts.length === 0) return;
    try {
      await this.store.forget(cuts);
    } catch (error) {
      this.through.unshift(...cuts);
      throw error;
    }
  }

  private async write(group: readonly Result[]): Promise<void> {
    for (const part of parts(group)) {
      const written = await this.store.results(part);
      if (written < part.length) this.refused(new Set(part.map(({ endpointId }) => endpointId)));
      for (const { endpointId, delivery } of part) {
        const { cut } = delivery;
        // From here on its row says what it holds.
        delete delivery.cut;
        if (cut && --cut.of.left === 0) this.through.push({ endpointId, id: cut.of.id });
      }
    }
    if (this.through.length < CUTS_FORGOTTEN) return;
    // What cannot be removed now is removed by the next tick; the results are written in any case.
    await this.forgetCuts().catch(() => undefined);
  }
}

/** Parts in which no delivery comes twice, for one statement changes a row once, and all are of one generation. */
function* parts(group: readonly Result[]): Generator<readonly Result[]> {
  let part: Result[] = [];
  let seen = new Set<string>();
  for (const result of group) {
    if (seen.has(result.id) || (part[0] && part[0].delivery.generation !== result.delivery.generation)) {
      yield part;
      part = [];
      seen = new Set();
    }
    seen.add(result.id);
    part.push(result);
  }
  if (part.length > 0) yield part;
}
