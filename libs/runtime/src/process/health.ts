import { Controller, Get, Injectable, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { reasonOf } from '../reason.js';

/** A readiness check: undefined when ready, else one sentence that says what is wrong. */
export type ReadinessCheck = () => string | undefined | Promise<string | undefined>;

/** Whether a process is ready, and what each check says: `ok` or a reason. */
interface Verdict {
  ready: boolean;
  checks: Record<string, string>;
}

/** A check that takes longer counts as failed: its part does not answer. */
const CHECK_MS_MAX = 3_000;

/** Readiness checks by name, one set per process; each role adds its own. */
@Injectable()
export class Readiness {
  private readonly checks = new Map<string, ReadinessCheck>();
  private judging: Promise<Verdict> | undefined;

  add(name: string, check: ReadinessCheck): void {
    if (this.checks.has(name)) throw new Error(`readiness check ${name} is there already`);
    this.checks.set(name, check);
  }

  /**
   * Runs every check, each for at most {@link CHECK_MS_MAX} ms. A check that throws is not ready, with its message as reason. Those who
   * ask meanwhile get the same verdict: anybody may ask as often as they like, and the checks need a database.
   */
  judge(): Promise<Verdict> {
    this.judging ??= this.run().finally(() => {
      this.judging = undefined;
    });
    return this.judging;
  }

  private async run(): Promise<Verdict> {
    const entries = await Promise.all(
      [...this.checks].map(async ([name, check]) => {
        try {
          return [name, (await inTime(check)) ?? 'ok'] as const;
        } catch (error) {
          return [name, reasonOf(error)] as const;
        }
      }),
    );
    return { ready: entries.every(([, state]) => state === 'ok'), checks: Object.fromEntries(entries) };
  }
}

async function inTime(check: ReadinessCheck): Promise<string | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(resolve, CHECK_MS_MAX, `no answer within ${CHECK_MS_MAX} ms`);
  });
  const checked = Promise.resolve().then(check);
  checked.catch(() => undefined);
  try {
    return await Promise.race([checked, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Prometheus registry of one process. */
export class Metrics extends Registry {
  constructor(process: string) {
    super();
    this.setDefaultLabels({ process });
    collectDefaultMetrics({ register: this });
  }
}

/** `/healthz` (the process answers), `/readyz` (its roles work), `/metrics` (Prometheus). */
@ApiExcludeController()
@Controller()
export class HealthController {
  constructor(
    private readonly readiness: Readiness,
    private readonly metrics: Metrics,
  ) {}

  @Get('healthz')
  health(): { status: string } {
    return { status: 'ok' };
  }

  @Get('readyz')
  async ready(@Res() reply: FastifyReply): Promise<void> {
    const verdict = await this.readiness.judge();
    await reply.status(verdict.ready ? 200 : 503).send(verdict);
  }

  @Get('metrics')
  async scrape(@Res() reply: FastifyReply): Promise<void> {
    await reply.header('content-type', this.metrics.contentType).send(await this.metrics.metrics());
  }
}
