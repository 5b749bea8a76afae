import { describe, expect, it } from '@jest/globals';
import { HIDDEN, readAttempt, AttemptSender } from './attempt.js';
import type { GuardedRequest } from '../../outbound/guarded-http.js';
import type { Outcome } from '../../outbound/outcome.js';
import { newSecretPair } from './signature.js';

const entry = { json: '{"a":1}', bytes: Buffer.from('{"a":1}') };

function senderOf(...outcomes: Outcome[]) {
  const requests: GuardedRequest[] = [];
  const send = (request: GuardedRequest) => {
    requests.push(request);
    return Promise.resolve(outcomes[requests.length - 1]!);
  };
  const settings = { url: 'https://receiver.test/hook?"', secrets: [newSecretPair()], signatures: ['v1' as const], timeoutMs: 1_000 };
  return { requests, sender: new AttemptSender({ ...settings, headers: { authorization: 'Bearer secret' } }, { send }) };
}

/** Names and values in turn, as an object. */
const headersOf = ({ headers }: GuardedRequest) =>
  Object.fromEntries(headers.flatMap((name, i) => (i % 2 === 0 ? [[name, headers[i + 1]!]] : [])));

describe('a kept attempt', () => {
  it('shows the request as it was sent, but for the values of custom headers, and the answer', async () => {
    const outcome = { category: 'status' as const, status: 500, latencyMs: 12, headers: { server: 'a "b"' }, body: 'no "\u001e"\n' };
    const { requests, sender } = senderOf(outcome);
    const { record, events } = await sender.send({ id: 'dlv_1', entries: [entry, entry], replayId: 'rpl_1' });
    const { at, ...shown } = readAttempt('dlv_1', record.own + record.same);
    const headers = headersOf(requests[0]!);
    expect(headers['webhook-timestamp']).toBe(String(Math.floor(at / 1_000)));
    expect(events).toBe(2);
    expect(shown).toEqual({
      latencyMs: 12,
      status: 500,
      category: 'status',
      events: 2,
      request: { url: 'https://receiver.test/hook?"', headers: { ...headers, authorization: HIDDEN }, bytes: 17 },
      response: { headers: { server: 'a "b"' }, body: 'no "\u001e"\n' },
    });
    expect(record.own + record.same).not.toContain('\u001e');
  });

  it('has the part that others have too as the same text, until the answer differs', async () => {
    const answer = (date: string): Outcome => ({ status: 200, latencyMs: 1, headers: { date }, body: '' });
    const { sender } = senderOf(answer('1'), answer('1'), answer('2'), { category: 'connect', latencyMs: 1, headers: {}, body: '' });
    const send = async (id: string) => (await sender.send({ id, entries: [entry] })).record;
    const [first, second, third, fourth] = [await send('a'), await send('b'), await send('c'), await send('d')];
    expect(second.same).toBe(first.same);
    expect(readAttempt('c', third.own + third.same).response.headers).toEqual({ date: '2' });
    expect(readAttempt('d', fourth.own + fourth.same)).toMatchObject({ category: 'connect', response: { headers: {}, body: '' } });
    expect(readAttempt('d', fourth.own + fourth.same).status).toBeUndefined();
  });
});
