import { TEXT_LENGTH_MAX } from '@tributary/events';

/** Addresses of one picture that are looked at; TikTok sends up to five. */
export const ADDRESSES_MAX = 16;
/** The size of a small picture, in pixels of its sides. */
const SMALL_MIN = 80;
const SMALL_MAX = 200;
/** The size in an address: `~c5_100x100.webp`, `shrink:72:72.webp`. */
const SIZE = /[_:](\d{2,4})[x:](\d{2,4})(?!\d)/;
/** The highest rank of an address. */
export const BEST_RANK = 3;

/** The addresses under which a picture can be had. */
export interface Picture {
  urlList: string[];
}

/** Rank of an address for a small picture: 3 for about 100x100, 2 for another size, 1 for a blurred one, 0 when it is no address. */
export function addressRank(address: string): number {
  // A truncated address does not work.
  if (address.length > TEXT_LENGTH_MAX || !(address.startsWith('https://') || address.startsWith('http://'))) return 0;
  if (address.includes('shrink')) return 1;
  const [, width, height] = SIZE.exec(address) ?? [];
  return isSmall(Number(width)) && isSmall(Number(height)) ? BEST_RANK : 2;
}

/** Whether the picture has an address of the highest rank. */
export function hasBest(picture: Picture | undefined): boolean {
  const last = picture?.urlList.at(-1);
  return last !== undefined && addressRank(last) === BEST_RANK;
}

/** The best address of several pictures of the same thing; of equal ones the first. */
export function pictureAddress(pictures: readonly (Picture | undefined)[]): string | undefined {
  let best: string | undefined;
  let rank = 0;
  for (const picture of pictures) {
    const addresses = picture?.urlList ?? [];
    for (let at = 0; at < addresses.length && at < ADDRESSES_MAX && rank < BEST_RANK; at += 1) {
      const address = addresses[at] ?? '';
      const own = addressRank(address);
      if (own <= rank) continue;
      best = address;
      rank = own;
    }
  }
  return best;
}

function isSmall(pixels: number): boolean {
  return pixels >= SMALL_MIN && pixels <= SMALL_MAX;
}
