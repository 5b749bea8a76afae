/** Windows in which requests are counted, shortest first. */
export const WINDOWS = ['minute', 'hour', 'day'] as const;
export type Window = (typeof WINDOWS)[number];

/** Requests per window; 0 is no limit. */
export type Limits = Record<Window, number>;

export const NO_LIMITS: Limits = { minute: 0, hour: 0, day: 0 };

/** Where one window stands. */
export interface WindowState {
  window: Window;
  max: number;
  remaining: number;
  /** ms until all of `max` is there again; 0 when nothing was used. */
  resetMs: number;
}

/** `windows`: those that have a limit. `counted: false`: by this signer alone, since Redis cannot be asked. */
export interface LimitVerdict {
  allowed: boolean;
  counted: boolean;
  windows: WindowState[];
}
