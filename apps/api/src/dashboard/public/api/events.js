/** Events of the log, by their type. */

/** @import { EventData, EventOf, LiveEvent } from './event-data.js' */

/**
 * Whether an event is of this type; then its data has the shape of the type.
 * @template {keyof EventData} T
 * @param {LiveEvent} event
 * @param {T} type
 * @returns {event is EventOf<T>}
 */
export const isOf = (event, type) => event.type === type;
