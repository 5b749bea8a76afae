import { randomUUID } from 'node:crypto';
import type { Pool } from 'pg';
import type { EndpointState } from './endpoint/endpoint.js';
import { OWNER_LAPSED } from './endpoint/endpoint-row.js';

/** An endpoint that the database says this process holds. */
export interface HeldRow {
  id: string;
  version: number;
  state: EndpointState;
  /** The key that it belongs to was revoked, has expired, or is not there. */
  lapsed: boolean;
}

/** Claims as the database has them. */
export interface ClaimsView {
  held: HeldRow[];
  /** Processes that serve endpoints and are alive. */
  runners: number;
  /** Endpoints of the whole system by state. */
  states: Record<EndpointState, number>;
}

const CLAIM = `
update webhook_cursors r set claimed_by = $2
from webhook_endpoints e
where r.id = $1 and e.id = $1 and e.state = 'enabled' and e.deleted_at is null
  and (r.claimed_by is null or r.claimed_by = $2 or ($3 and not exists (
    select from webhook_runners w where w.id = r.claimed_by and w.alive_until > now())))
returning r.id`;

/** Endpoints that should be served and are not: new, resumed, released, or held by a process that died. */
const UNCLAIMED = `
select e.id from webhook_endpoints e join webhook_cursors r on r.id = e.id
where e.state = 'enabled' and e.deleted_at is null
  and not exists (select from webhook_runners w where w.id = r.claimed_by and w.alive_until > now())
order by e.id limit $1`;

/**
 * Which endpoints this process serves. A claim is a column of the endpoint's row; it holds as long as its process renews. A process that
 * has not renewed for `ttlMs` must count its claims as lost, and others may take them.
 */
export class EndpointClaims {
  /** Names this process in claims. */
  readonly runner = randomUUID();
  /** From when this process has renewed without a break, by the monotonic clock; undefined while it has not. */
  private renewingSince: number | undefined;
  private confirmedAt = -Infinity;

  constructor(
    private readonly pool: Pool,
    private readonly ttlMs: number,
  ) {}

  /** Whether others have not had the time to claim what this process holds. */
  get isAlive(): boolean {
    return performance.now() - this.confirmedAt < this.ttlMs;
  }

  /**
   * Writes that this process lives for another `ttlMs`, and reads what it holds.
   * A process that was not alive is so again only after {@link confirm}: others may have taken its endpoints.
   */
  async renew(): Promise<ClaimsView> {
    const began = performance.now();
    const wasAlive = this.isAlive;
    try {
      await this.pool.query(
        `insert into webhook_runners (id, alive_until) values ($1, now() + make_interval(secs => $2 / 1000.0))
         on conflict (id) do update set alive_until = excluded.alive_until`,
        [this.runner, this.ttlMs],
      );
    } catch (error) {
      this.renewingSince = undefined;
      throw error;
    }
    if (wasAlive) this.confirmedAt = began;
    this.renewingSince ??= began;
    return this.view();
  }

  /** What was read by {@link renew} is obeyed: nothing is served here that others have taken. `began`: when the renewal began. */
  confirm(began: number): void {
    this.confirmedAt = began;
  }

  private async view(): Promise<ClaimsView> {
    const [held, counts] = await Promise.all([
      this.pool.query<HeldRow>(
        `select e.id, e.version::float8 as version, e.state, ${OWNER_LAPSED} as lapsed from webhook_endpoints e join webhook_cursors r on r.id = e.id
         where r.claimed_by = $1 and e.deleted_at is null`,
        [this.runner],
      ),
      this.pool.query<Record<EndpointState, number> & { runners: number }>(
        `select count(*) filter (where state = 'enabled')::int as enabled, count(*) filter (where state = 'paused')::int as paused,
           count(*) filter (where state = 'disabled')::int as disabled,
           (select count(*) from webhook_runners where alive_until > now())::int as runners
         from webhook_endpoints where deleted_at is null`,
      ),
    ]);
    const [row] = counts.rows;
    if (!row) throw new Error('a count came without a row');
    const { runners, ...states } = row;
    return { held: held.rows, runners, states };
  }

  /** Claims an endpoint that nobody alive holds. @returns whether this process holds it now */
  async claim(id: string): Promise<boolean> {
    if (!this.isAlive) return false;
    // After an outage of the database every process looks dead. Only one that has renewed for a full TTL may take from others.
    const takeOver = this.renewingSince !== undefined && performance.now() - this.renewingSince >= this.ttlMs;
    const { rowCount } = await this.pool.query(CLAIM, [id, this.runner, takeOver]);
    return rowCount === 1;
  }

  async release(ids: readonly string[]): Promise<void> {
    await this.pool.query('update webhook_cursors set claimed_by = null where id = any($1) and claimed_by = $2', [ids, this.runner]);
  }

  /** Ends this process's part: whatever it still holds is free at once. */
  async leave(): Promise<void> {
    await this.pool.query('update webhook_cursors set claimed_by = null where claimed_by = $1', [this.runner]);
    await this.pool.query('delete from webhook_runners where id = $1', [this.runner]);
  }

  /** Endpoints that should be served, and that nobody alive has claimed; at most `limit`. */
  async unclaimed(limit: number): Promise<string[]> {
    const { rows } = await this.pool.query<{ id: string }>(UNCLAIMED, [limit]);
    return rows.map(({ id }) => id);
  }
}
