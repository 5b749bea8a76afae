import { describe, expect, it } from '@jest/globals';
import { HTTP_CODECS } from '../../../apps/api/src/live/codecs.js';
import { isLiveStream } from './live-media-types.js';

describe('an answer is taken for a live stream', () => {
  it.each([...HTTP_CODECS.keys()])('with the media type of every codec, with parameters and without: %s', (mediaType) => {
    expect(isLiveStream(mediaType)).toBe(true);
    expect(isLiveStream(`${mediaType.toUpperCase()}; charset=utf-8`)).toBe(true);
  });

  it.each([undefined, '', 'application/json', 'text/plain; charset=utf-8'])('with no other: %s', (contentType) => {
    expect(isLiveStream(contentType)).toBe(false);
  });
});
