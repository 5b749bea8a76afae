/** One live stream for the whole page, read by fetch. */

/** @import { LiveEvent } from './event-data.js' */

/** A server that says nothing for this long, heartbeats included, is taken for gone. */
const SILENCE_MS = 40_000;
const RETRY_MS_MAX = 15_000;

/** @typedef {'connecting' | 'open' | 'waiting' | 'refused'} FeedState */

/**
 * @typedef {{
 *   onEvent: (event: LiveEvent) => void,
 *   onState: (state: FeedState, detail?: string) => void,
 *   onGap: () => void,
 * }} FeedHandlers `onGap`: some events could not be sent again
 */

/** The live stream: reconnects with backoff and goes on where it was, by the position of the last event. */
export class LiveFeed {
  /** @type {string | undefined} */
  position;
  /** @type {AbortController | undefined} */
  abort;
  stopped = false;
  hurried = false;

  /**
   * @param {string} key
   * @param {FeedHandlers} handlers
   */
  constructor(key, handlers) {
    this.key = key;
    this.handlers = handlers;
  }

  /**
   * Where the stream begins. Call it before {@link run}.
   * @param {string | undefined} position undefined: at the newest event
   */
  startAfter(position) {
    this.position = position;
  }

  stop() {
    this.stopped = true;
    this.abort?.abort();
  }

  /** Ends a wait before the next try: the browser is online again, or the tab is looked at. */
  hurry() {
    this.hurried = true;
  }

  async run() {
    for (let failures = 0; !this.stopped;) {
      this.handlers.onState('connecting');
      const outcome = await this.connect();
      if (this.stopped) return;
      if (outcome === 'refused') {
        this.handlers.onState('refused');
        return;
      }
      failures = outcome === 'opened' ? 0 : failures + 1;
      const ms = Math.min(RETRY_MS_MAX, 500 * 2 ** failures) * (0.5 + Math.random() / 2);
      await this.wait(ms);
    }
  }

  /** @returns {Promise<'opened' | 'failed' | 'refused'>} */
  async connect() {
    const abort = new AbortController();
    this.abort = abort;
    let opened = false;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let watchdog;
    const rearm = () => {
      clearTimeout(watchdog);
      watchdog = setTimeout(() => abort.abort(), SILENCE_MS);
    };
    try {
      rearm();
      const response = await fetch('/v1/stream', {
        headers: { authorization: `Bearer ${this.key}`, ...(this.position ? { 'last-event-id': this.position } : {}) },
        signal: abort.signal,
        cache: 'no-store',
      });
      if (response.status === 401 || response.status === 403) return 'refused';
      if (!response.ok || !response.body) return 'failed';
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let rest = ''; ;) {
        const { value, done } = await reader.read();
        if (done) break;
        rearm();
        const frames = (rest + value).split('\n\n');
        rest = frames.pop() ?? '';
        for (const frame of frames) if (this.take(frame)) opened = true;
      }
    } catch {
      // a broken connection: what was missed comes after the position
    } finally {
      clearTimeout(watchdog);
    }
    return opened ? 'opened' : 'failed';
  }

  /**
   * Takes one frame; true for the greeting.
   * @param {string} frame
   */
  take(frame) {
    let id;
    let type = 'message';
    let data = '';
    for (const line of frame.split('\n')) {
      if (line.startsWith('id: ')) id = line.slice(4);
      else if (line.startsWith('event: ')) type = line.slice(7);
      else if (line.startsWith('data: ')) data = line.slice(6);
    }
    if (id) this.position = id;
    if (type === 'hello') {
      if (!JSON.parse(data).recovered) this.handlers.onGap();
      this.handlers.onState('open');
      return true;
    }
    if (type.includes('.')) this.handlers.onEvent(JSON.parse(data));
    return false;
  }

  /**
   * Waits, and shows how long it will be.
   * @param {number} ms
   */
  async wait(ms) {
    const until = Date.now() + ms;
    this.hurried = false;
    while (!this.stopped && !this.hurried && Date.now() < until) {
      this.handlers.onState('waiting', `${Math.max(1, Math.ceil((until - Date.now()) / 1000))} s`);
      await new Promise((resolve) => setTimeout(resolve, Math.min(250, Math.max(0, until - Date.now()))));
    }
  }
}
