import { describe, expect, it } from '@jest/globals';
import { describe as line, describeState } from './tail-lines.mjs';

const at = (minutes: number) => new Date(Date.now() - minutes * 60_000).toISOString();
const clock = (text: string) => new Date(text).toTimeString().slice(0, 8);
const creator = { uniqueId: 'one', since: at(5), liveSince: null, lastKnown: null, lastError: null };

describe('a line of tail', () => {
  it('says since when a stream is live by its start, not by our connection', () => {
    const [began, connected] = [at(3), at(1)];
    expect(describeState({ ...creator, state: 'live', since: connected, liveSince: began })).toContain(`is live since ${clock(began)}`);
  });

  it('says what is not known, and what was known last', () => {
    const known = at(2);
    const view = { ...creator, state: 'unknown', lastKnown: { live: true, at: known }, lastError: { message: 'no worker holds it' } };
    expect(describeState(view)).toMatch(new RegExp(`^@one is unknown since .*; it was live at ${clock(known)}: no worker holds it$`));
    expect(describeState({ ...creator, state: 'paused' })).toMatch(/^@one is paused since /);
    expect(describeState({ ...creator, state: null, since: null })).toBe('@one is in a state that cannot be read now');
  });

  it('says that a room is watched no more, and why', () => {
    const event = { type: 'monitor.unwatched', time: at(0), creator: 'one', data: { roomId: '7', reason: 'paused', lastSeenAt: at(1) } };
    expect(line(event)).toContain('Watched no more: it was paused');
  });

  it('shows the words of a caption, once they are definite', () => {
    const caption = (definite: boolean) => {
      const data = { definite, durationMs: 0, sentenceId: '1', texts: [{ language: 'en', text: 'good evening' }] };
      return line({ type: 'tiktok.live.caption', time: at(0), creator: 'one', data });
    };
    expect(caption(true)).toContain('“good evening”');
    expect(caption(false)).toBeUndefined();
  });

  it('names viewers by their handle, and shows the data of a type without words of its own', () => {
    const user = { uniqueId: 'viewer', nickname: 'A Viewer' };
    expect(line({ type: 'tiktok.live.chat', time: at(0), creator: 'one', data: { user, comment: 'hello' } })).toMatch(/ viewer hello$/);
    expect(line({ type: 'tiktok.live.toast', time: at(0), creator: 'one', data: { user, level: 3 } })).toMatch(/ viewer \{"level":3\}$/);
  });
});
