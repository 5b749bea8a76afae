import { existsSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { waitFor } from '../../wait-for.js';
import { messageIdOf, readRecordedFile, RecordedFileError } from './recorded.js';
import { Simulator } from '../simulator.js';
import { control, Viewer } from '../client/viewer.js';
import { encode } from '../wire/protobuf.js';

const RECORDED = join(process.cwd(), '../shared/fixtures/recorded');
const FILES = ['EventsCollector_jw.json', 'EventsCollector_link.json', 'EventsCollector_log.json'];

/** A payload whose common holds this id. */
const payload = (id: string) =>
  encode((writer) =>
    writer
      .bytes(
        1,
        encode((common) => common.str(1, 'WebcastChatMessage').id(2, id)),
      )
      .str(3, 'hi'),
  );

describe('replay of given payloads', () => {
  let simulator: Simulator;

  beforeEach(async () => {
    simulator = await new Simulator().start();
  });

  afterEach(() => simulator.stop());

  it('waits for a viewer, sends all in order under their own ids, and reports when they are acknowledged', async () => {
    const ids = Array.from({ length: 95 }, (_, index) => String(7_540_589_352_666_090_247n + BigInt(index * 7)));
    const payloads = ids.map((id) => ({ method: 'WebcastChatMessage', payloadBase64: payload(id).toString('base64') }));
    const { id } = await control<{ id: number }>(simulator, 'POST', '/sim/replay', { uniqueId: 'again', payloads });
    await waitFor(async () => (await control<{ waitingFor?: string }>(simulator, 'GET', `/sim/replay/${id}`)).waitingFor === 'viewer');
    const viewer = await Viewer.open(simulator.url);
    const watcher = await viewer.watch(simulator.room('again')?.roomId ?? '', { anonymous: true });
    await waitFor(async () => (await control<{ done: boolean }>(simulator, 'GET', `/sim/replay/${id}`)).done);
    expect(await control(simulator, 'GET', `/sim/replay/${id}`)).toMatchObject({ total: 95, sent: 95, acked: 95, done: true });
    expect(watcher.msgIds).toEqual(ids);
    watcher.socket.terminate();
  });

  it('keeps to a rate, and gives an id to payloads that have none', async () => {
    const viewer = await Viewer.open(simulator.url);
    simulator.openRoom({ uniqueId: 'slowly', rate: 0 });
    const watcher = await viewer.watch(simulator.room('slowly')?.roomId ?? '', { anonymous: true });
    await waitFor(() => watcher.opened);
    const started = performance.now();
    const payloads = Array.from({ length: 20 }, () => ({ method: 'SomethingElse', payload: Buffer.from('not protobuf') }));
    await simulator.replay({ uniqueId: 'slowly', payloads, rate: 40 });
    expect(performance.now() - started).toBeGreaterThan(400);
    await waitFor(() => watcher.msgIds.length === 20);
    expect(new Set(watcher.msgIds).size).toBe(20);
    expect(watcher.msgIds).not.toContain('0');
    watcher.socket.terminate();
  });

  it.each(FILES)('sends every payload of %s through real frames, each under the id inside it', async (name) => {
    if (!existsSync(join(RECORDED, name))) {
      console.log('skipped: no recorded fixtures');
      return;
    }
    const payloads = await readRecordedFile(join(RECORDED, name));
    const viewer = await Viewer.open(simulator.url);
    simulator.openRoom({ uniqueId: 'recorded', rate: 0 });
    const watcher = await viewer.watch(simulator.room('recorded')?.roomId ?? '', { anonymous: true });
    const { sent, acked } = await simulator.replay({ uniqueId: 'recorded', payloads });
    expect([sent, acked]).toEqual([payloads.length, payloads.length]);
    await waitFor(() => watcher.msgIds.length === payloads.length);
    // Numbers only: what is recorded is real people's data, and a failed comparison would print it.
    const differing = payloads.filter(({ msgId }, index) => msgId !== undefined && msgId !== watcher.msgIds[index]).length;
    const without = payloads.filter(({ msgId, method }) => msgId === undefined && method !== 'WebcastWeeklyRankRewardMessage').length;
    expect({ differing, without }).toEqual({ differing: 0, without: 0 });
    expect(watcher.msgIds.includes('0')).toBe(false);
    expect(watcher.undecodable).toBe(0);
    watcher.socket.terminate();
  });
});

describe('a recorded file', () => {
  const write = (text: string) => {
    const path = join(mkdtempSync(join(tmpdir(), 'recorded-')), 'file.json');
    writeFileSync(path, text);
    return path;
  };

  it('is read into one list ordered by time', async () => {
    const row = (id: string, ts: string) => ({ eventData: payload(id).toString('base64'), uniqueId: 'x', ts });
    const path = write(
      JSON.stringify({ B: [row('22', '2026-01-01T00:00:02.5'), row('11', '2026-01-01T00:00:01Z')], A: [row('33', '2026-01-01T00:00:03')] }),
    );
    expect((await readRecordedFile(path)).map((entry) => [entry.method, entry.msgId])).toEqual([
      ['B', '11'],
      ['B', '22'],
      ['A', '33'],
    ]);
  });

  it('that is something else is refused without a word of its content', async () => {
    await expect(readRecordedFile(write('secret words'))).rejects.toThrow(new RecordedFileError('the file is not JSON'));
    await expect(readRecordedFile(write('{"A":[{"eventData":"secret"}]}'))).rejects.toThrow(
      new RecordedFileError('A[0]: expected eventData and ts as text'),
    );
  });

  it('gives no id for bytes that are not protobuf or have no common', () => {
    expect(messageIdOf(Buffer.from('hello'))).toBeUndefined();
    expect(messageIdOf(encode((writer) => writer.str(3, 'x')))).toBeUndefined();
    expect(messageIdOf(Buffer.alloc(0))).toBeUndefined();
  });
});
