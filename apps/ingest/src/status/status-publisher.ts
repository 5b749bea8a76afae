import type { CreatorStatus, StatusStore } from '@tributary/creators';
import type { CreatorSession } from '../session/creator-session.js';

const STATUSES_PER_COMMAND = 1_000;

/** Publishes the statuses that have changed. @throws when Redis does not answer; the next call then publishes them again. */
export async function publishStatuses(statuses: StatusStore, sessions: ReadonlyMap<string, CreatorSession>, now: number): Promise<void> {
  let batch = new Map<string, CreatorStatus>();
  const send = async () => {
    const ids = [...batch.keys()];
    try {
      await statuses.publish(batch);
    } catch (error) {
      for (const id of ids) sessions.get(id)?.publishAgain();
      throw error;
    }
    batch = new Map();
  };
  for (const [id, session] of sessions) {
    const status = session.takeStatus(now);
    if (!status) continue;
    batch.set(id, status);
    if (batch.size >= STATUSES_PER_COMMAND) await send();
  }
  await send();
}
