import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import {
  callJson,
  finish,
  type LedgerEntry,
  machine,
  readOptions,
  readRecordedFile,
  type RecordedPayload,
  startStack,
  table,
  waitFor,
} from '@tributary/testing';
import pg from 'pg';
import { WebcastGiftMessage } from 'tiktok-live-proto/v3';
import { settled } from '../test/faults/parts/accounting.js';

/**
 * Sends recorded payload files through real frames, the client library and the whole pipeline, and compares the stored events with
 * the payloads. Prints counts only, since the payloads contain comments of real people.
 */
interface Result {
  file: string;
  payloads: number;
  /** Payloads by wire type. */
  in: Record<string, number>;
  /** Stored events by type. */
  out: Record<string, number>;
  /** Different (room, message) pairs that went in, and came out. */
  messagesIn: number;
  messagesOut: number;
  storedTwice: number;
  decodeFailures: number;
  unknown: number;
  diamondsIndependent: number;
  diamondsStored: number;
}

/** Diamonds by definition: the highest count of each run, and of each single gift, times its price; each message once. */
function independentDiamonds(payloads: RecordedPayload[]): number {
  const highest = new Map<string, number>();
  for (const { method, payload } of payloads) {
    if (method !== 'WebcastGiftMessage') continue;
    const gift = WebcastGiftMessage.decode(payload);
    const price = gift.gift?.diamondCount ?? 0;
    const streak = gift.gift?.type === 1;
    const key = streak ? `run ${gift.user?.id} ${gift.giftId} ${gift.groupId}` : `one ${gift.common?.msgId}`;
    highest.set(key, Math.max(highest.get(key) ?? 0, Math.max(1, gift.repeatCount) * price));
  }
  return [...highest.values()].reduce((sum, diamonds) => sum + diamonds, 0);
}

const options = readOptions(
  {
    command: 'npm run replay --',
    about:
      'puts recorded payload files through the simulator, the client library and the whole pipeline,\nand prints what came in and went out by type',
    seconds: 120,
    takes: 'FILE...',
  },
  ({ rest }) => {
    const missing = rest.find((file) => !existsSync(file));
    if (missing !== undefined) throw new Error(`${missing}: there is no such file`);
    return { files: rest };
  },
);
const { files } = options;

const stack = await startStack({ env: { POLL_MS: '300' } });
const pool = new pg.Pool({ connectionString: stack.postgres.url, max: 2 });

async function replay(file: string, index: number): Promise<Result> {
  const sim = stack.urls.simulator;
  const uniqueId = `replay.${index}`;
  const payloads = await readRecordedFile(file);
  await callJson('POST', `${sim}/sim/rooms`, { uniqueId, rate: 0, live: true });
  const creator = await stack.call<{ id: string }>('POST', '/v1/creators', { uniqueId });
  await waitFor(async () => (await stack.call<{ state: string }>('GET', `/v1/creators/${creator.id}`)).state === 'live', {
    timeoutMs: 30_000,
    everyMs: 100,
    what: `${uniqueId} to be live`,
  });
  const given = payloads.map(({ method, payload, msgId }) => ({ method, payloadBase64: payload.toString('base64'), msgId }));
  await callJson('POST', `${sim}/sim/replay`, { uniqueId, payloads: given, wait: true });
  const ledger = await (await fetch(`${sim}/sim/rooms/${uniqueId}/ledger`)).text();
  const sent = ledger
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as LedgerEntry);
  const expected = new Set(sent.map(({ roomId, msgId }) => `${roomId}-${msgId}`));
  const stored = async () =>
    (
      await pool.query<{ id: string; type: string; reason: string | null; diamonds: number | null }>(
        `select id, type, data->>'reason' as reason, (data->>'totalDiamonds')::float8 as diamonds from events
         where creator_id = $1 and type like 'tiktok.live.%' order by seq`,
        [creator.id],
      )
    ).rows;
  const base = (id: string) => id.split('-').slice(0, 2).join('-');
  await waitFor(async () => new Set((await stored()).map(({ id }) => base(id))).size >= expected.size, {
    timeoutMs: options.seconds * 1000,
    everyMs: 200,
  }).catch(() => undefined);
  await settled(pool, 1_000, 20_000);
  const rows = await stored();
  const own = rows.filter(({ id }) => expected.has(base(id)));
  const count = (names: string[]) =>
    names.reduce<Record<string, number>>((counts, name) => ({ ...counts, [name]: (counts[name] ?? 0) + 1 }), {});
  const plain = own.filter(({ id }) => id.split('-').length === 2);
  return {
    file: basename(file),
    payloads: payloads.length,
    in: count(payloads.map(({ method }) => method)),
    out: count(own.map(({ type }) => type)),
    messagesIn: expected.size,
    messagesOut: new Set(plain.map(({ id }) => id)).size,
    storedTwice: plain.length - new Set(plain.map(({ id }) => id)).size,
    decodeFailures: own.filter(({ reason, type }) => type === 'tiktok.live.unknown' && reason === 'undecodable').length,
    unknown: own.filter(({ reason, type }) => type === 'tiktok.live.unknown' && reason === 'unmapped').length,
    diamondsIndependent: independentDiamonds(payloads),
    diamondsStored: own.reduce((sum, { type, diamonds }) => sum + (type === 'tiktok.live.gift' ? (diamonds ?? 0) : 0), 0),
  };
}

try {
  const results: Result[] = [];
  for (const [index, file] of files.entries()) results.push(await replay(file, index));
  const failures = results.flatMap((result) => [
    result.messagesOut === result.messagesIn ? '' : `${result.file}: ${result.messagesIn} messages went in, ${result.messagesOut} came out`,
    result.storedTwice === 0 ? '' : `${result.file}: ${result.storedTwice} messages are stored twice`,
    result.decodeFailures === 0 ? '' : `${result.file}: ${result.decodeFailures} payloads could not be decoded`,
    result.diamondsStored === result.diamondsIndependent
      ? ''
      : `${result.file}: ${result.diamondsStored} diamonds are stored, the payloads sum to ${result.diamondsIndependent}`,
  ]);
  const text = results.map((result) => {
    const summary = table([
      {
        file: result.file,
        payloads: result.payloads,
        messages: result.messagesIn,
        stored: result.messagesOut,
        twice: result.storedTwice,
        'decode failures': result.decodeFailures,
        'unknown kept': result.unknown,
        diamonds: result.diamondsStored,
        'independent sum': result.diamondsIndependent,
      },
    ]);
    const types = table(
      Object.entries(result.out)
        .sort((a, b) => b[1] - a[1])
        .map(([type, events]) => ({ 'events out, by type': type, events })),
    );
    const wire = table(
      Object.entries(result.in)
        .sort((a, b) => b[1] - a[1])
        .map(([type, payloads]) => ({ 'payloads in, by wire type': type, payloads })),
    );
    return `${summary}\n\n${wire}\n\n${types}`;
  });
  finish(options, { results }, `${text.join('\n\n\n')}\n\n${machine()}`, failures.filter(Boolean));
} finally {
  await pool.end();
  await stack.stop();
}
