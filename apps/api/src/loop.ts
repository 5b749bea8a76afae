import { type BackoffBounds, backoffMs, type Logger, reasonOf } from '@tributary/runtime';

/** A running background loop. */
export interface Loop {
  /** Runs the work again as soon as possible: at once, or right after the run under way. */
  wake(): void;
  /** Ends the loop and waits for the run under way. */
  stop(): Promise<void>;
}

const RETRY = { firstMs: 200, maxMs: 5_000 };

/**
 * Runs `work` every `everyMs` (with 10 % jitter), one run at a time. A failing run is tried again with backoff; the
 * first failure and the recovery are logged, not each repetition.
 */
export function startLoop(
  options: { name: string; everyMs: number; logger: Logger; retry?: BackoffBounds },
  work: (signal: AbortSignal) => Promise<void>,
): Loop {
  const { name, everyMs, logger, retry = RETRY } = options;
  const stopping = new AbortController();
  let woken = false;
  let failures = 0;
  let interrupt: () => void = () => undefined;

  const sleep = (ms: number) =>
    new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      interrupt = () => {
        clearTimeout(timer);
        resolve();
      };
      if (woken || stopping.signal.aborted) interrupt();
    });

  const run = async () => {
    while (!stopping.signal.aborted) {
      woken = false;
      try {
        await work(stopping.signal);
        if (failures > 0) logger.info({ loop: name, failures }, 'works again');
        failures = 0;
      } catch (error) {
        if (failures === 0 && !stopping.signal.aborted) {
          logger.warn({ loop: name, reason: reasonOf(error) }, 'failed; trying again');
        }
        failures += 1;
      }
      // A failing loop is not woken: its backoff is what keeps an outage from becoming a storm.
      if (failures > 0) woken = false;
      await sleep(failures > 0 ? backoffMs(failures, retry) : everyMs * (0.9 + 0.2 * Math.random()));
    }
  };
  const running = run();

  return {
    wake: () => {
      woken = true;
      if (failures === 0) interrupt();
    },
    stop: async () => {
      stopping.abort();
      interrupt();
      await running;
    },
  };
}
