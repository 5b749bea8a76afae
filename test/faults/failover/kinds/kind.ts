import type { StackOptions } from '@tributary/testing';
import type { FailoverSystem } from '../failover-system.js';

/** One kind of fault: a row of the table. */
export interface Kind {
  name: string;
  title: string;
  /** Rough length of one injection with its recovery, in seconds. */
  seconds: number;
  /** No connection is lost and no holder changes: nothing may be missing, gap or not. */
  losesNothing?: boolean;
  /** Bar of the longest time from a message's sending to its storing, in ms. */
  stallMsMax: number;
  /** What the stack needs beyond the others'. Called once for a run; what it made is undone by `undo`. */
  prepare?(): Promise<Preparation>;
  /** Called once before there is any creator. */
  setUp?(system: FailoverSystem): Promise<void>;
  /** Called once when all creators are received. */
  begin?(system: FailoverSystem): Promise<void>;
  /** Injects it for the `n`-th time (from 0) and ends it. */
  inject(system: FailoverSystem, n: number): Promise<void>;
}

export interface Preparation {
  stack: StackOptions;
  /** How it is done on this machine, where that is not the same everywhere. */
  how?: string;
  undo?: () => Promise<void>;
}
