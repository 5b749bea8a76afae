import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { Readiness } from '@tributary/runtime';
import type pg from 'pg';
import { POOL } from '../resources.js';
import { probe } from '../status/probe.js';

const PROBE_MS = 2_000;

/** The http role is ready while PostgreSQL answers; without Redis it still does its work, a little later. */
@Injectable()
export class HttpReadiness implements OnApplicationBootstrap {
  constructor(
    @Inject(POOL) private readonly pool: pg.Pool,
    private readonly readiness: Readiness,
  ) {}

  onApplicationBootstrap(): void {
    this.readiness.add('http', async () => {
      const answer = await probe(PROBE_MS, () => this.pool.query('select 1'));
      return answer.ok ? undefined : `PostgreSQL does not answer: ${answer.reason}`;
    });
  }
}
