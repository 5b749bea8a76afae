import type { Pool, PoolClient, QueryResult } from 'pg';
import { currentRequest } from '../../access/request-context.js';
import { FairQueue, type FairWork } from './fair-queue.js';

/** Queries that wait at a time: of one key, of all, and each for at most this long. */
const WAITING_PER_KEY_MAX = 500;
const WAITING_MAX = 10_000;
const FIRST: FairWork = { waitingMax: WAITING_PER_KEY_MAX, waitMsMax: 20_000 };
/** A request that has begun is not turned away; how many there are is bounded by the first turns. */
const LATER: FairWork = { waitingMax: WAITING_PER_KEY_MAX, isAdmitted: true };
const NO_TURN = () => undefined;

/** What a statement or transaction is let in by: resolves with what ends its turn. */
export type Turn = (kind: 'statement' | 'transaction') => Promise<() => void>;

/** The same pool, each of whose statements and transactions waits for its turn first. */
export function takingTurns(pool: Pool, turn: Turn): Pool {
  const query = async (...args: [string, unknown[]]): Promise<QueryResult> => {
    const end = await turn('statement');
    try {
      return await pool.query(...args);
    } finally {
      end();
    }
  };
  const connect = async (): Promise<PoolClient> => {
    const end = await turn('transaction');
    try {
      const client = await pool.connect();
      const release = client.release.bind(client);
      client.release = (error) => {
        end();
        release(error);
      };
      return client;
    } catch (error) {
      end();
      throw error;
    }
  };
  return new Proxy(pool, {
    get: (target, name) => {
      if (name === 'query') return query;
      if (name === 'connect') return connect;
      const value: unknown = Reflect.get(target, name, target);
      // A pool changes its own state in its methods.
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

/** Queues the requests of callers for `connections` of a pool: half of them at most for one key, and some for nobody's requests. */
export function queueOfCallers(connections: number): FairQueue {
  const runningMax = Math.max(1, connections - Math.min(2, Math.floor(connections / 2)));
  return new FairQueue({ runningMax, perTenantRunningMax: Math.ceil(runningMax / 2), waitingMax: WAITING_MAX });
}

/**
 * The pool for plain requests. What runs for a request of a key takes turns by key. What runs for nobody's (checks of health and keys,
 * what is read for all) has connections that callers cannot take.
 */
export function fairPool(pool: Pool, queue: FairQueue): Pool {
  return takingTurns(pool, async (kind) => {
    const request = currentRequest();
    // Inside of a transaction another turn would be waited for by who has one.
    if (request?.key === undefined || request.transactions > 0) return NO_TURN;
    const { hasBegun, isRead, signal } = request;
    // A change is not given up half way because its client has left.
    const end = await queue.enter(request.key, { ...(hasBegun ? LATER : FIRST), ...(isRead || !hasBegun ? { signal } : {}) });
    request.hasBegun = true;
    if (kind === 'statement') return end;
    request.transactions += 1;
    let isOpen = true;
    return () => {
      if (isOpen) request.transactions -= 1;
      isOpen = false;
      end();
    };
  });
}
