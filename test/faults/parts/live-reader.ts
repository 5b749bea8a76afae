import { setTimeout as delay } from 'node:timers/promises';
import { decodeCursor, type Position } from '@tributary/log';
import { createParser, type EventSourceMessage } from 'eventsource-parser';

/** A stream that is silent for this long is dead: heartbeats come every 15 s. */
const SILENT_MS_MAX = 40_000;
const RETRY_MS = 250;
/** It leaves by itself after a random time up to this. */
const VISIT_MS_MAX = 20_000;

/** Which events a live reader asks for; both missing is all. */
export interface ReaderFilter {
  creatorIds?: readonly string[];
  type?: string;
}

/** Record of one connection. */
export interface Visit {
  /** When it was opened, ms since 1970. */
  at: number;
  /** The cursor that it was asked to go on from. */
  cursor?: Position;
  /** The position in its `hello`, and whether the cursor was honoured. */
  hello: Position;
  recovered: boolean;
  events: { id: string; seq: number; generation: number }[];
  /** Position up to which everything was given. */
  upTo: Position;
}

/** Follows the live stream as a user's program would: by server-sent events, resuming from its last id. */
export class LiveReader {
  readonly visits: Visit[] = [];
  /** Frames that could not be understood. */
  strange = 0;
  private cursor: string | undefined;
  private readonly stopping = new AbortController();
  private running: Promise<void> = Promise.resolve();

  constructor(
    readonly name: string,
    readonly filter: ReaderFilter,
    private readonly options: { api: string; key: string; random: () => number },
  ) {}

  /** Position up to which it was given everything. */
  get upTo(): Position | undefined {
    return this.visits.at(-1)?.upTo;
  }

  start(): void {
    this.running = this.run();
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.running;
  }

  private async run(): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      await this.visit().catch(() => undefined);
      await delay(RETRY_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  private async visit(): Promise<void> {
    const { api, key, random } = this.options;
    const url = new URL('/v1/stream', api);
    for (const id of this.filter.creatorIds ?? []) url.searchParams.append('creator', id);
    if (this.filter.type) url.searchParams.set('type', this.filter.type);
    const leaving = new AbortController();
    const leave = () => leaving.abort();
    this.stopping.signal.addEventListener('abort', leave, { once: true });
    const visit = setTimeout(leave, 1_000 + random() * VISIT_MS_MAX);
    let silence = setTimeout(leave, SILENT_MS_MAX);
    try {
      const cursor = this.cursor;
      const headers = { authorization: `Bearer ${key}`, ...(cursor === undefined ? {} : { 'last-event-id': cursor }) };
      const answer = await fetch(url, { headers, signal: leaving.signal });
      if (!answer.ok || !answer.body) throw new Error(`the stream answered ${answer.status}`);
      const decoder = new TextDecoder();
      const parser = createParser({ onEvent: (event) => this.take(event, cursor) });
      for await (const chunk of answer.body as AsyncIterable<Uint8Array>) {
        clearTimeout(silence);
        silence = setTimeout(leave, SILENT_MS_MAX);
        parser.feed(decoder.decode(chunk, { stream: true }));
      }
    } finally {
      clearTimeout(visit);
      clearTimeout(silence);
      this.stopping.signal.removeEventListener('abort', leave);
      leaving.abort();
    }
  }

  /** Begins another record where the positions of the stream change to another generation. */
  private noticeGeneration({ generation }: Position): void {
    const before = this.upTo;
    if (!before || before.generation === generation) return;
    const hello = { generation, seq: before.seq };
    this.visits.push({ at: Date.now(), cursor: before, hello, recovered: true, events: [], upTo: hello });
  }

  private take({ event: kind, id, data }: EventSourceMessage, cursor: string | undefined): void {
    if (kind === undefined || id === undefined) return;
    const at = decodeCursor(id);
    if (at && kind !== 'hello') this.noticeGeneration(at);
    const visit = this.visits.at(-1);
    if (!at) {
      this.strange += 1;
    } else if (kind === 'hello') {
      const { recovered } = JSON.parse(data) as { recovered?: boolean };
      const asked = cursor === undefined ? undefined : decodeCursor(cursor);
      this.visits.push({
        at: Date.now(),
        ...(asked ? { cursor: asked } : {}),
        hello: at,
        recovered: recovered === true,
        events: [],
        upTo: at,
      });
      this.cursor = id;
    } else if (visit) {
      if (kind !== 'position') {
        const { id: event } = JSON.parse(data) as { id?: string };
        visit.events.push({ id: event ?? '', seq: at.seq, generation: at.generation });
      }
      visit.upTo = at;
      this.cursor = id;
    }
  }
}
