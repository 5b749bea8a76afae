import { Socket } from 'node:net';
import pg from 'pg';

/** Longest ordinary statement at the server, waits for locks included, in ms. */
export const STATEMENT_MS = 7_000;
/** Further time for the answer. After that the server is gone, because it would have ended the statement itself. */
const GRACE_MS = 2_000;
/**
 * The server rolls back a transaction whose client is idle for this long. Otherwise a client that vanished would hold its locks
 * until the keepalive of the server's machine notices, after two hours by default.
 */
const IDLE_IN_TRANSACTION_MS = 5_000;
const KEEPALIVE_MS = 5_000;
/** The same from the server's side, in seconds: sessions of clients that are gone end within 20 s. */
const SERVER_KEEPALIVE = '-c tcp_keepalives_idle=5 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3';

/** The server did not answer on a connection that looked open. `ETIMEDOUT` marks it as an outage. */
export class Stranded extends Error {
  override name = 'Stranded';
  readonly code = 'ETIMEDOUT';

  constructor(ms: number) {
    super(`PostgreSQL did not answer within ${ms} ms`);
  }
}

/**
 * A connection that never waits for ever: each statement has a deadline, and one that passes destroys the connection,
 * with everything that was asked on it. Node has no TCP user time-out, so silence is detected here.
 */
export class DeadlineClient extends pg.Client {
  private readonly socket: Socket;
  private deadlineMs = STATEMENT_MS + GRACE_MS;
  private timer: NodeJS.Timeout | undefined;

  constructor(config: pg.ClientConfig = {}) {
    const socket = new Socket();
    super({
      statement_timeout: STATEMENT_MS,
      idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MS,
      options: SERVER_KEEPALIVE,
      keepAlive: true,
      keepAliveInitialDelayMillis: KEEPALIVE_MS,
      ...config,
      stream: () => socket,
    });
    this.socket = socket;
    const send = this.query.bind(this) as (...args: unknown[]) => unknown;
    Object.assign(this, {
      query: (...args: unknown[]) => {
        // Anew with each: a pool hands the connection on before it is drained, and one that is always in use never is.
        clearTimeout(this.timer);
        this.timer = setTimeout(() => this.strand(new Stranded(this.deadlineMs)), this.deadlineMs).unref();
        return send(...args);
      },
    });
    const answered = () => {
      clearTimeout(this.timer);
      this.timer = undefined;
    };
    this.on('drain', answered);
    this.on('end', answered);
  }

  /** From the next statement on, each may take `ms` on the server, and the answer `graceMs` more. */
  allow(ms: number, graceMs = GRACE_MS): void {
    this.deadlineMs = ms + graceMs;
  }

  /** Destroys the connection; its queries fail with `reason`. */
  strand(reason: Stranded): void {
    this.socket.destroy(reason);
  }
}

/** Lets each further statement of the transaction that `client` has begun take up to `ms` instead of {@link STATEMENT_MS}. */
export async function allowLong(client: pg.ClientBase, ms: number): Promise<void> {
  if (client instanceof DeadlineClient) client.allow(ms);
  await client.query(`set local statement_timeout = ${Math.round(ms)}`);
}

/**
 * Connects outside of a pool. `statementMs` is what each statement may take, 0 at the server: a migration is not cut short
 * there. End it when it is no longer used.
 */
export async function connectClient(url: string, options: { name: string; statementMs: number }): Promise<pg.Client> {
  const client = new DeadlineClient({
    connectionString: url,
    application_name: `tributary-${options.name}`,
    connectionTimeoutMillis: 5_000,
    statement_timeout: 0,
  });
  client.on('error', () => undefined);
  client.allow(options.statementMs);
  await client.connect();
  return client;
}
