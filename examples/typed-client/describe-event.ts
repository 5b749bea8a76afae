import type { Event } from './client.js';

/** One line about an event. `type` decides which fields `data` has: a misspelt one does not compile. */
export function describeEvent(event: Event): string {
  switch (event.type) {
    case 'tiktok.live.chat':
      return `${event.data.user?.uniqueId ?? 'somebody'}: ${event.data.comment}`;
    case 'tiktok.live.gift':
      return `${event.data.count} x ${event.data.name}, ${event.data.totalDiamonds ?? 'unknown'} diamonds`;
    case 'tiktok.live.like':
      return `${event.data.roomLikes} likes`;
    case 'monitor.gap':
      return `events between ${event.data.from} and ${event.data.to} may be missing: ${event.data.reason}`;
    default:
      return event.type;
  }
}
