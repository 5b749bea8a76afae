import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from '@jest/globals';
import { BinaryReader } from '@bufbuild/protobuf/wire';
import { gzipPacked, pack } from './packed-gzip.js';
import { Ledger } from '../room/ledger.js';
import { methodOf } from './methods.js';
import { Random } from '../traffic/random.js';
import { TimerWheel } from '../room/timer-wheel.js';
import { bytesOf, decimal, encode, numberOf, readFields, textOf, WireWriter } from './protobuf.js';

describe('the wire writer', () => {
  it('writes varints that a protobuf reader gives back', () => {
    for (const value of [0, 1, 127, 128, 16_384, 2 ** 31, 2 ** 32 + 5, Number.MAX_SAFE_INTEGER]) {
      const writer = new WireWriter(1);
      writer.varint(value);
      expect(new BinaryReader(writer.view()).uint64().toString()).toBe(String(value));
    }
    const writer = new WireWriter(1);
    writer.id(1, '18446744073709551615').int64(2, 1, 0);
    expect(readFields(writer.copy())).toEqual([
      { field: 1, value: 18_446_744_073_709_551_615n },
      { field: 2, value: 4_294_967_296n },
    ]);
    expect(decimal(0xffff_ffff, 0xffff_ffff)).toBe('18446744073709551615');
  });

  it.each([0, 1, 126, 127, 128, 16_383, 16_384, 70_000, 2_200_000])(
    'nests a message of about %i bytes, and packed parts stay where they are',
    (size) => {
      const part = pack(Buffer.alloc(Math.max(size, 1), 'abc'));
      const writer = new WireWriter(8);
      const outer = writer.open(1);
      const inner = writer.open(2);
      writer.packed(3, part).str(4, 'after');
      writer.close(inner);
      writer.close(outer);
      const bytes = writer.copy();
      const [one, two] = [bytesOf(readFields(bytes) ?? [], 1), 2];
      const body = readFields(bytesOf(readFields(one ?? Buffer.alloc(0)) ?? [], two) ?? Buffer.alloc(0)) ?? [];
      expect(bytesOf(body, 3)?.equals(part.raw)).toBe(true);
      expect(textOf(body, 4)).toBe('after');
      const { position } = writer.parts[0] ?? { position: -1 };
      expect(bytes.subarray(position, position + part.raw.length).equals(part.raw)).toBe(true);
    },
  );

  it('makes a gzip stream of packed and plain parts that any gunzip takes', () => {
    const random = new Random('gzip');
    const writer = new WireWriter();
    for (let i = 0; i < 300; i++) {
      writer.bytes(1, random.bytes(random.int(0, 900)));
      writer.packed(2, pack(Buffer.from('https://example.invalid/'.repeat(random.int(1, 60)))));
    }
    const bytes = writer.copy();
    expect(gunzipSync(gzipPacked(bytes, writer.parts)).equals(bytes)).toBe(true);
    expect(gunzipSync(gzipPacked(Buffer.alloc(0), [])).length).toBe(0);
  });

  it('reads no fields from bytes that are not protobuf', () => {
    expect(readFields(Buffer.from([0x0a, 0x7f, 1]))).toBeUndefined();
    expect(readFields(Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]))).toBeUndefined();
    expect(numberOf(readFields(encode((writer) => writer.int(7, 9))) ?? [], 7)).toBe(9n);
  });
});

describe('the ledger', () => {
  const method = methodOf('WebcastChatMessage').index;

  it('keeps the newest entries through growth and turns of its ring', () => {
    const ledger = new Ledger(1_000);
    for (let n = 1; n <= 5_000; n++) {
      expect(ledger.append('1', method, 1, n, n)).toBe(n);
      if (n % 3 === 0) ledger.markWritten(n, n, 'c1');
    }
    const entries = [...ledger.entries()];
    expect(entries.map((entry) => entry.n)).toEqual(Array.from({ length: 1_000 }, (_, index) => 4_001 + index));
    for (const entry of entries) {
      expect(entry.msgId).toBe(decimal(1, entry.n));
      expect(entry.connections).toEqual(entry.n % 3 === 0 ? ['c1'] : []);
    }
    expect(ledger.get(4_000)).toBeUndefined();
  });

  it('notes each connection once, whatever was written again', () => {
    const ledger = new Ledger(10);
    ledger.append('1', method, 0, 1, 0);
    for (const connection of ['c1', 'c2', 'c1', 'c2']) ledger.markWritten(1, 1, connection);
    ledger.markAcked(1, 9, 'c2');
    expect(ledger.get(1)).toMatchObject({ connections: ['c1', 'c2'], acked: ['c2'] });
  });
});

describe('the timer wheel', () => {
  it('fires each item once, at its time, also past a turn, a stall and a new plan', () => {
    const wheel = new TimerWheel<{ name: string }>(10, 8, 0);
    const [soon, late, moved] = [{ name: 'soon' }, { name: 'late' }, { name: 'moved' }];
    wheel.plan(soon, 15);
    wheel.plan(late, 250);
    wheel.plan(moved, 20);
    wheel.plan(moved, 100);
    const fired: string[] = [];
    for (let now = 0; now <= 300; now += 5) wheel.advance(now, ({ name }) => fired.push(`${name} ${now}`));
    expect(fired).toEqual(['soon 20', 'moved 100', 'late 250']);
    wheel.plan(soon, 310);
    wheel.advance(10_000, ({ name }) => fired.push(name));
    expect(fired.at(-1)).toBe('soon');
  });
});
