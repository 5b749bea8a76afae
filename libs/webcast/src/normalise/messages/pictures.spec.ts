import { describe, expect, it } from '@jest/globals';
import { protoOf, sampleMessage, sampleUser } from '@tributary/testing';
import * as proto from 'tiktok-live-proto/v3';
import { dataOf } from '../../testing/sample-events.js';
import { FieldLimiter } from '../field-limiter.js';
import { genericOf } from './generic.js';
import { pictureAddress } from './pictures.js';

const SHRINK = 'https://p16.example/tos/7~tplv-tiktok-shrink:72:72.webp?x=1';
const SMALL = 'https://p16.example/tos/7~c5_100x100.webp?x=1';
const LARGE = 'https://p16.example/tos/7~c5_1080x1080.webp';
const PLAIN = 'https://p16.example/tos/7.webp';
const image = (...urlList: string[]) => protoOf(proto.ImageModel, { urlList, uri: '100x100/tos/7' });
const address = (...pictures: (proto.ImageModel | undefined)[]) => pictureAddress(pictures);

describe('which address of a picture is taken', () => {
  it('the one in about 100x100, wherever it stands in the list', () => {
    expect(address(image(SHRINK, SMALL, `${SMALL}.jpeg`))).toBe(SMALL);
    expect(address(image(LARGE, SMALL))).toBe(SMALL);
    expect(address(image(SHRINK), image(LARGE), image(SMALL))).toBe(SMALL);
  });

  it('of another size before a shrunk one, and a shrunk one before none', () => {
    expect(address(image(SHRINK, PLAIN))).toBe(PLAIN);
    expect(address(image(SHRINK), image(LARGE))).toBe(LARGE);
    expect(address(image(SHRINK))).toBe(SHRINK);
    expect(address(image(PLAIN, LARGE))).toBe(PLAIN);
  });

  it('of the next picture where the first has none', () => {
    expect(address(undefined, image(), image(LARGE))).toBe(LARGE);
  });

  it('never a uri, nor anything else that is no web address', () => {
    expect(address(image())).toBeUndefined();
    expect(address(image('', 'javascript:alert(1)', 'data:image/png;base64,AA==', '//p.example/1', 'tos/7'))).toBeUndefined();
    expect(address(image(`https://p.example/${'x'.repeat(5_000)}`, PLAIN))).toBe(PLAIN);
    expect(address(image(...Array.from({ length: 100 }, () => 'x'), PLAIN))).toBeUndefined();
  });
});

describe('pictures of events', () => {
  const avatarOf = (parts: Partial<proto.User>) => {
    const user = sampleUser(1, parts);
    const chat = sampleMessage('WebcastChatMessage', proto.WebcastChatMessage, { user, content: 'x' });
    const emote = sampleMessage('WebcastEmoteChatMessage', proto.WebcastEmoteChatMessage, { user });
    const addresses = [dataOf(chat, 'tiktok.live.chat'), dataOf(emote, 'tiktok.live.emote')].map(
      (data) => (data as { user: { avatarUrl?: string } }).user.avatarUrl,
    );
    // The lean and the full decoder.
    expect(addresses[0]).toBe(addresses[1]);
    return addresses[0];
  };

  it('a viewer is shown by the 100x100 address, or by a larger picture where there is no small one', () => {
    expect(avatarOf({ avatarThumb: image(SHRINK, SMALL) })).toBe(SMALL);
    expect(avatarOf({ avatarThumb: image(), avatarMedium: image(LARGE) })).toBe(LARGE);
    expect(avatarOf({ avatarThumb: undefined, avatarMedium: undefined, avatarLarge: image(LARGE) })).toBe(LARGE);
    expect(avatarOf({ avatarThumb: image() })).toBeUndefined();
  });

  it('emotes, gifts and pictures of generic events follow the same rule', () => {
    const emoteList = [protoOf(proto.EmoteModel, { emoteId: '42', image: image(SHRINK, SMALL) })];
    const emote = sampleMessage('WebcastEmoteChatMessage', proto.WebcastEmoteChatMessage, { emoteList });
    expect(dataOf(emote, 'tiktok.live.emote')).toMatchObject({ emotes: [{ id: '42', imageUrl: SMALL }] });
    const gift = protoOf(proto.Gift, { id: '1', diamondCount: 1, image: image(), icon: image(SHRINK, PLAIN) });
    const given = sampleMessage('WebcastGiftMessage', proto.WebcastGiftMessage, { giftId: '1', gift });
    expect(dataOf(given, 'tiktok.live.gift')).toMatchObject({ imageUrl: PLAIN });
    expect(genericOf({ icon: image(SHRINK, SMALL), none: image() }, new FieldLimiter())).toEqual({ icon: SMALL });
  });
});
