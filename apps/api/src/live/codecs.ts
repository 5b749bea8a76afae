import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { HttpLiveCodec } from './codec.js';

/** What a client gets that asks for nothing that there is. */
const DEFAULT = 'text/event-stream';

/**
 * The codecs of GET /v1/stream, by media type: every file of the folder codecs/ that exports `codec`. A new codec is one file there.
 * A process refuses to start with a file that has none, or with two of one media type.
 */
export const HTTP_CODECS: ReadonlyMap<string, HttpLiveCodec> = await readCodecs();

/** The codec for an `Accept` header: the first media type in it that there is a codec for, else server-sent events. */
export function codecFor(accept: string | undefined): HttpLiveCodec {
  const asked = accept?.split(',').map((range) => range.split(';', 1).join('').trim().toLowerCase()) ?? [];
  for (const mediaType of [...asked, DEFAULT]) {
    const codec = HTTP_CODECS.get(mediaType);
    if (codec) return codec;
  }
  throw new Error(`there is no codec for ${DEFAULT}`);
}

async function readCodecs(): Promise<Map<string, HttpLiveCodec>> {
  const folder = fileURLToPath(new URL('./codecs/', import.meta.url));
  const names = readdirSync(folder).filter((name) => /\.[jt]s$/.test(name) && !/\.(?:spec|d)\.ts$/.test(name));
  const codecs = new Map<string, HttpLiveCodec>();
  for (const name of names.sort()) {
    const { codec } = (await import(`./codecs/${name}`)) as { codec?: HttpLiveCodec };
    if (!codec) throw new Error(`live/codecs/${name} exports no \`codec\``);
    if (codecs.has(codec.mediaType)) throw new Error(`live/codecs/${name}: there is a codec for ${codec.mediaType} already`);
    codecs.set(codec.mediaType, codec);
  }
  return codecs;
}
