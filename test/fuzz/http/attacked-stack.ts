import { randomBytes } from 'node:crypto';
import { type Stack, startStack, startWebhookReceiver, waitFor, type WebhookReceiver } from '@tributary/testing';
import pg from 'pg';

const secret = () => randomBytes(32).toString('base64');
const EVENTS_MIN = 200;
/** Creators that are on air in the simulator and are monitored while events are made. */
const LIVE = ['luna.bakes', 'dj_orbit', 'kaito.sketch'];

/** A whole system on ports and databases of its own, with events in its log and nothing that adds to them. */
export interface AttackedStack {
  readonly stack: Stack;
  readonly receiver: WebhookReceiver;
  /** Ids of the creators whose events there are. */
  readonly creators: readonly string[];
  stop(): Promise<void>;
}

/** Starts it, waits for events of three creators, and stops the worker. Nothing outside this machine is asked for anything. */
export async function startAttackedStack(): Promise<AttackedStack> {
  const receiver = await startWebhookReceiver({ keep: false });
  const stack = await startStack({
    rooms: LIVE.length,
    rate: 10,
    env: {
      API_RATE_PER_MINUTE: '10000000',
      STREAMS_PER_KEY_MAX: '1000',
      // One address sends all wrong keys.
      WRONG_KEYS_PER_MINUTE: '1000000',
      WEBHOOK_SECRET_KEY: secret(),
      CREATOR_SECRET_KEY: secret(),
      WEBHOOK_ALLOW_CIDRS: '127.0.0.0/8',
      SIGN_TOKEN_SECRET: secret(),
      POLL_MS: '300',
      LOG_LEVEL: 'error',
    },
  }).catch(async (error: unknown) => {
    await receiver.close();
    throw error;
  });
  const stop = async () => {
    await stack.stop();
    await receiver.close();
  };
  try {
    const creators: string[] = [];
    for (const uniqueId of LIVE) creators.push((await stack.call<{ id: string }>('POST', '/v1/creators', { uniqueId })).id);
    const pool = new pg.Pool({ connectionString: stack.postgres.url, max: 1 });
    try {
      const count = async () => (await pool.query<{ count: number }>('select count(*)::int as count from events')).rows[0]!.count;
      await waitFor(async () => (await count()) >= EVENTS_MIN, {
        timeoutMs: 60_000,
        everyMs: 200,
        what: `${EVENTS_MIN} events to be stored`,
      });
    } finally {
      await pool.end();
    }
    for (const worker of stack.workers) await worker.stop();
    return { stack, receiver, creators, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
