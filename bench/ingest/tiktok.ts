import { Simulator } from '@tributary/testing';
import { answer, setupOf } from './part.js';

/** The simulated TikTok of the ingest benchmarks. Rooms without viewers are silent, so that every message has a receiver. */
export interface TikTokAnswers {
  url: string;
}

const { seed } = setupOf<{ seed: string }>();
const simulator = await new Simulator({ seed, idleTraffic: false, ledgerMax: 100_000 }).start();
answer({ url: () => simulator.url });
