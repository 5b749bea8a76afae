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

/**
 * The codec for an `Accept` header: of the media types in it that there is a codec for, the one with the highest weight (`q`), the first of
 * equals. Without any, server-sent events. A type with `q=0` is not served, unless the header excludes every codec that there is.
 */
export function codecFor(accept: string | undefined, codecs: ReadonlyMap<string, HttpLiveCodec> = HTTP_CODECS): HttpLiveCodec {
  const ranges = accept?.split(',').map(rangeOf) ?? [];
  const asked = ranges.filter(({ weight }) => weight > 0).sort((a, b) => b.weight - a.weight);
  const refused = new Set(ranges.filter(({ weight }) => weight === 0).map(({ mediaType }) => mediaType));
  const others = [DEFAULT, ...codecs.keys()].filter((mediaType) => !refused.has(mediaType));
  for (const mediaType of [...asked.map((range) => range.mediaType), ...others, DEFAULT]) {
    const codec = codecs.get(mediaType);
    if (codec) return codec;
  }
  throw new Error(`there is no codec for ${DEFAULT}`);
}

/** One part of an `Accept` header. A weight that is missing or no number counts as 1. */
function rangeOf(text: string): { mediaType: string; weight: number } {
  const [mediaType = '', ...parameters] = text.split(';').map((part) => part.trim().toLowerCase());
  const q = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2) ?? '';
  return { mediaType, weight: /^[01](\.\d{0,3})?$/.test(q) ? Math.min(1, Number(q)) : 1 };
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
