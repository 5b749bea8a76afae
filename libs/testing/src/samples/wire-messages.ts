import type { WireMessage } from '@tributary/webcast';
import * as proto from 'tiktok-live-proto/v3';

/** An encoder and decoder of one message, as the protobuf package has them. */
export interface SampleCodec<T> {
  encode(message: T): { finish(): Uint8Array };
  decode(payload: Uint8Array): T;
}

/** 2026-11-22T10:00:00Z, the moment of every sample, in seconds. */
export const SAMPLE_SECONDS = 1_795_341_600;
export const SAMPLE_MS = SAMPLE_SECONDS * 1_000;
export const SAMPLE_ROOM = sampleId(0);

/** A message id of the samples' moment. */
export function sampleId(n: number): string {
  return ((BigInt(SAMPLE_SECONDS) << 32n) | BigInt(n)).toString();
}

/** An empty protobuf message with some of its fields set. */
export function protoOf<T extends object>(codec: SampleCodec<T>, parts: Partial<T>): T {
  return Object.assign(codec.decode(new Uint8Array()), parts);
}

/** An invented viewer. */
export function sampleUser(n: number, parts: Partial<proto.User> = {}): proto.User {
  return protoOf(proto.User, {
    id: String(7_000_000_000_000_000_000n + BigInt(n)),
    displayId: `viewer.${n}`,
    nickname: `Viewer ${n}`,
    avatarThumb: protoOf(proto.ImageModel, { urlList: [`https://p16.example/avatar-${n}.webp`, 'https://p19.example/other.webp'] }),
    userAttr: protoOf(proto.UserAttr, {}),
    followInfo: protoOf(proto.FollowInfo, { followStatus: '1' }),
    ...parts,
  });
}

export function sampleImage(url: string): proto.ImageModel {
  return protoOf(proto.ImageModel, { urlList: [url], uri: 'uri' });
}

/** A text TikTok shows, by the key of its translation. */
export function sampleText(key: string, defaultPattern = ''): NonNullable<proto.CommonMessageData['displayText']> {
  return { key, defaultPattern, defaultFormat: undefined, pieces: [] };
}

/** What is common to the messages of a room; `createTime` is the samples' moment. */
export function sampleCommon(method: string, msgId: string, parts: Partial<proto.CommonMessageData> = {}): proto.CommonMessageData {
  return protoOf(proto.CommonMessageData, { method, msgId, roomId: SAMPLE_ROOM, createTime: String(SAMPLE_MS), ...parts });
}

let lastId = 0;

/** One encoded message with a fresh id. */
export function sampleMessage<T extends { common?: proto.CommonMessageData }>(
  method: string,
  codec: SampleCodec<T>,
  parts: Partial<T>,
  common: Partial<proto.CommonMessageData> = {},
): WireMessage {
  const msgId = common.msgId ?? sampleId(++lastId);
  const message = protoOf<T>(codec, parts);
  message.common = sampleCommon(method, msgId, common);
  return { method, msgId, payload: codec.encode(message).finish() };
}

/** One step of a streak: a gift of type 1 worth 5 diamonds, unless told otherwise. */
export function sampleGift(
  parts: Partial<proto.WebcastGiftMessage>,
  gift: Partial<proto.Gift> = {},
  common: Partial<proto.CommonMessageData> = {},
): WireMessage {
  return sampleMessage(
    'WebcastGiftMessage',
    proto.WebcastGiftMessage,
    {
      giftId: '5655',
      groupId: '1795341599000',
      repeatCount: 1,
      user: sampleUser(1),
      gift: protoOf(proto.Gift, { id: '5655', type: 1, diamondCount: 5, name: 'Rose', ...gift }),
      ...parts,
    },
    common,
  );
}
