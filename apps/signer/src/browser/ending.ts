/** Something that ends once, such as a tab or a run of Chromium. A caller that stops waiting leaves no listener behind. */
export class Ending {
  private readonly listeners = new Set<() => void>();
  private over = false;

  end(): void {
    if (this.over) return;
    this.over = true;
    for (const listener of this.listeners) listener();
    this.listeners.clear();
  }

  /** The result of `work`, or `instead` when this ends first: work in a dead browser may wait for ever. */
  async orElse<T>(work: Promise<T>, instead: () => T): Promise<T> {
    let listener: () => void = () => undefined;
    const ended = new Promise<T>((resolve) => {
      listener = () => resolve(instead());
    });
    if (this.over) return instead();
    this.listeners.add(listener);
    try {
      return await Promise.race([work, ended]);
    } finally {
      this.listeners.delete(listener);
    }
  }
}

/** The same for an abort signal. */
export async function orAborted<T>(work: Promise<T>, signal: AbortSignal, instead: () => T): Promise<T> {
  const ending = new Ending();
  const end = () => ending.end();
  if (signal.aborted) end();
  signal.addEventListener('abort', end, { once: true });
  try {
    return await ending.orElse(work, instead);
  } finally {
    signal.removeEventListener('abort', end);
  }
}
