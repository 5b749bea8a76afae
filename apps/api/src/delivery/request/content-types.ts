/** The type of a body that is one event, and of one that is an array of events. */
export const CONTENT_TYPE = 'application/cloudevents+json';
export const BATCH_CONTENT_TYPE = 'application/cloudevents-batch+json';
