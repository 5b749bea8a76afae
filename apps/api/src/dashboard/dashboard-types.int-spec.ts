import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { apiDocument } from '../testing/api-document.js';
import { clientTypes, compileClient } from '../testing/typed-client.js';

const COMPILE_MS = 120_000;
const TYPES = new URL('./public/api/', import.meta.url);
const read = (name: string) => readFileSync(new URL(name, TYPES), 'utf8');
/** As the files of examples/typed-client import them. */
const FROM = '../../apps/api/src/dashboard/public/api';
const HEAD = `
import type { Answer, Asked, Event, Problem } from './client.js';
import type { Problem as KnownProblem } from '${FROM}/answers.js';
import type { Envelope, EventData } from '${FROM}/event-data.js';
import type { Routes } from '${FROM}/routes.js';
export type Used = [Answer<'GET /v1/me'>, Asked<'GET /v1/me'>, Event, Problem, KnownProblem, Envelope, EventData, Routes];
`;

describe('what the dashboard says of the API', () => {
  const routes = [...read('routes.d.ts').matchAll(/^ {2}'([A-Z]+ \/[^']+)':/gm)].map(([, route]) => `'${route}'`);
  const types = [...read('event-data.d.ts').matchAll(/^ {2}'((?:tiktok|monitor)\.[\w.]+)':/gm)].map(([, type]) => `'${type}'`);
  /** What the compiler says of functions from what the API's description says to what the dashboard says, and back. */
  let compile: (claims: string[]) => string[];
  beforeAll(async () => {
    const client = await clientTypes(await apiDocument());
    compile = (claims) =>
      compileClient(client, { 'dashboard.ts': HEAD + claims.map((claim, i) => `export const claim${i} = ${claim};`).join('\n') });
  });

  it(
    'of each route it asks what may be asked, and reads what is answered; of each event it reads what there is',
    () => {
      expect(routes.length).toBeGreaterThan(20);
      expect(types.length).toBeGreaterThan(20);
      const faults = compile([
        ...routes.map((route) => `(asked: Routes[${route}]['asked']): Asked<${route}> => asked`),
        // Data of an event is compared by its type, below.
        `(answer: Answer<'GET /v1/events'>): Omit<Routes['GET /v1/events']['answer'], 'data'> => answer`,
        ...routes
          .filter((route) => route !== "'GET /v1/events'")
          .map((route) => `(answer: Answer<${route}>): Routes[${route}]['answer'] => answer`),
        ...types.map((type) => `(event: Extract<Event, { type: ${type} }>): EventData[${type}] => event.data`),
        '(event: Event): Envelope => event',
        '(problem: Problem): KnownProblem => problem',
      ]);
      expect(faults).toEqual([]);
    },
    COMPILE_MS,
  );

  it(
    'a field that the API does not have, or that may be absent, is found',
    () => {
      const wrong = [
        `(answer: Answer<'GET /v1/status'>): { weather: string } => answer`,
        `(answer: Answer<'GET /v1/creators'>): { data: { lastError: { retryAt: string } }[] } => answer`,
        `(event: Extract<Event, { type: 'tiktok.live.chat' }>): { user: object } => event.data`,
        `(asked: { query: { limit: string } }): Asked<'GET /v1/creators'> => asked`,
      ];
      const faults = compile(wrong);
      expect(faults).toEqual([/weather/, /retryAt|null/, /user/, /limit/].map((fault) => expect.stringMatching(fault)));
    },
    COMPILE_MS,
  );
});
