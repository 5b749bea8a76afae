import { pause } from '@tributary/runtime';

/**
 * Runs `work` soon after it was asked for: one run at a time, `pauseMs` between two, and always one after the last request.
 * A failure is left to whoever runs the same work on a schedule.
 */
export class Paced {
  private isDue = false;
  private isRunning = false;

  constructor(
    private readonly pauseMs: number,
    private readonly work: () => Promise<void>,
  ) {}

  request(): void {
    this.isDue = true;
    if (!this.isRunning) void this.run();
  }

  private async run(): Promise<void> {
    this.isRunning = true;
    while (this.isDue) {
      this.isDue = false;
      await this.work().catch(() => undefined);
      await pause(this.pauseMs);
    }
    this.isRunning = false;
  }
}
