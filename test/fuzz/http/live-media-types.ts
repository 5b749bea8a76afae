import { HTTP_CODECS } from '../../../apps/api/src/live/codecs.js';

/** Whether an answer of this `Content-Type` is a live stream, which does not end by itself. */
export function isLiveStream(contentType: string | undefined): boolean {
  const [mediaType = ''] = (contentType ?? '').split(';', 1);
  return HTTP_CODECS.has(mediaType.trim().toLowerCase());
}
