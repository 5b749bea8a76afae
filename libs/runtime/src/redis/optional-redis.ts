import type { Redis } from 'ioredis';
import type { Logger } from '../process/logging.js';

/** A Redis that answers later than this costs a request more than it gives. */
const ANSWER_MS_MAX = 300;
/** After it kept a request waiting it is left alone for this long. A server that refuses at once costs nothing to ask again. */
const REST_MS = 1_000;

class Late extends Error {}

/** Redis as something that requests can do without: it is asked within bounds, and its absence is logged once. */
export class OptionalRedis {
  private away = false;
  private restsUntil = 0;

  /**
   * @param without what is missing while Redis is away, for the log
   * @param answerMsMax an answer that takes longer counts as none
   */
  constructor(
    private readonly redis: Redis,
    private readonly logger: Pick<Logger, 'warn' | 'info'>,
    private readonly without = 'limits are counted by each process alone',
    private readonly answerMsMax = ANSWER_MS_MAX,
  ) {}

  /** What `command` gives; undefined when Redis does not answer in time, and for a while after that. */
  async ask<R>(command: (redis: Redis) => Promise<R>): Promise<R | undefined> {
    if (this.restsUntil > 0 && Date.now() < this.restsUntil) return undefined;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new Late(`no answer within ${this.answerMsMax} ms`)), this.answerMsMax);
    });
    try {
      const result = await Promise.race([command(this.redis), late]);
      if (this.away) this.logger.info({}, 'Redis answers again');
      this.away = false;
      this.restsUntil = 0;
      return result;
    } catch (error) {
      const { message: reason } = error as Error;
      if (!this.away) this.logger.warn({ reason }, `Redis does not answer: ${this.without}`);
      this.away = true;
      if (error instanceof Late) this.restsUntil = Date.now() + REST_MS;
      return undefined;
    } finally {
      clearTimeout(timer);
    }
  }
}
