import { BinaryReader } from '@bufbuild/protobuf/wire';
import { CommonMessageData } from 'tiktok-live-proto/v3';
import type { EventBuilder } from '../event-builder.js';

/** `WebcastInRoomBannerMessage` as it is on the wire: the client's schema leaves out its only content, a JSON text. */
interface InRoomBanner {
  common?: CommonMessageData;
  json: string;
}

export const InRoomBannerCodec = {
  decode(payload: Uint8Array): InRoomBanner {
    const reader = new BinaryReader(payload);
    const banner: InRoomBanner = { json: '' };
    while (reader.pos < reader.len) {
      const [field, wireType] = reader.tag();
      if (field === 1 && wireType === 2) banner.common = CommonMessageData.decode(reader, reader.uint32());
      else if (field === 2 && wireType === 2) banner.json = reader.string();
      else reader.skip(wireType, field);
    }
    return banner;
  },
};

/** The text is kept as it is: TikTok's own 64-bit ids in it would not survive being read as JSON. */
export function inRoomBanner(message: InRoomBanner, room: EventBuilder): void {
  room.emit('tiktok.live.inRoomBanner', { json: room.trim.textIfAny(message.json) });
}
