import { UNDATED } from '@tributary/events';

/** Where events of a day without a partition lie: in events_far, under a day of their own, so that duplicates still meet. */
export function farDay(day: string): string {
  return day === UNDATED ? UNDATED : `01${day.slice(2)}`;
}

/** The name of the partition of a day. */
export function partitionOf(day: string): string {
  return `events_${day.replaceAll('-', '')}`;
}

/** The day of a partition by its name. */
export function dayOfPartition(name: string): string {
  return `${name.slice(7, 11)}-${name.slice(11, 13)}-${name.slice(13, 15)}`;
}
