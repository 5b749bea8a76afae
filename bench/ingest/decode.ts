import { gunzipSync } from 'node:zlib';
import * as proto from 'tiktok-live-proto/v3';
import { WebSocket } from 'ws';
import { answer, setupOf } from './part.js';

/**
 * The limit of decoding: recorded frames of some rooms are decoded in a loop with the published schema and nothing else: push frame,
 * gunzip, fetch result, and each message's payload.
 */
export interface Decoded {
  messages: number;
  undecodable: number;
  cpuSeconds: number;
}

/** What was kept. */
export interface Kept {
  frames: number;
  messages: number;
  bytes: number;
}

export interface DecodeAnswers {
  watch: undefined;
  keep: Kept;
  loop: Decoded;
}

interface Codec {
  decode(bytes: Uint8Array): unknown;
}

const AGENT = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/129.0.0.0 Safari/537.36';
const { simulatorUrl } = setupOf<{ simulatorUrl: string }>();
const codecs = proto as unknown as Record<string, Codec | undefined>;
const frames: Buffer[] = [];
const sockets: WebSocket[] = [];

/** Watches rooms as an anonymous viewer. Resolves when every socket is open. */
async function watch(roomIds: string[]): Promise<void> {
  const page = await fetch(simulatorUrl, { headers: { 'user-agent': AGENT } });
  await page.arrayBuffer();
  const cookie = page.headers.getSetCookie()[0]?.split(';', 1)[0] ?? '';
  const base = `${simulatorUrl.replace('http', 'ws')}/webcast/im/ws_proxy/ws_reuse_supplement/?aid=1988&compress=gzip&ws_direct=1`;
  await Promise.all(
    roomIds.map(async (roomId) => {
      const socket = new WebSocket(`${base}&room_id=${roomId}`, { headers: { cookie, 'user-agent': AGENT } });
      sockets.push(socket);
      socket.on('message', (data: Buffer) => frames.push(data));
      await new Promise<void>((resolve, reject) => {
        socket.once('open', resolve);
        socket.once('error', reject);
      });
    }),
  );
}

function decode(frame: Buffer, counted: { messages: number; undecodable: number }): void {
  const { payload, payloadType } = proto.WebcastPushFrame.decode(frame);
  if (payloadType !== 'msg') return;
  for (const message of proto.ProtoMessageFetchResult.decode(gunzipSync(payload)).messages) {
    counted.messages += 1;
    const codec = codecs[message.method];
    if (codec) codec.decode(message.payload);
    else counted.undecodable += 1;
  }
}

function loop(seconds: number): Decoded {
  const counted = { messages: 0, undecodable: 0 };
  const before = process.cpuUsage();
  const endsAt = performance.now() + seconds * 1_000;
  while (performance.now() < endsAt) for (const frame of frames) decode(frame, counted);
  const { user, system } = process.cpuUsage(before);
  return { ...counted, cpuSeconds: (user + system) / 1e6 };
}

answer({
  watch,
  keep: (): Kept => {
    for (const socket of sockets.splice(0)) socket.terminate();
    const counted = { messages: 0, undecodable: 0 };
    for (const frame of frames) decode(frame, counted);
    return { frames: frames.length, messages: counted.messages, bytes: frames.reduce((sum, frame) => sum + frame.length, 0) };
  },
  loop,
});
