/**
 * Why the server ends a live stream, by reason. `code` tells a client what to do, by its range: 4000 to 4099 stop, 4100 to 4199
 * connect again at once, 4200 to 4299 connect again later, 4300 to 4399 ask anew whether the position can be honoured.
 */
export const STREAM_ENDS = {
  until: { code: 4000, message: 'everything before `until` was sent' },
  revoked: { code: 4001, message: 'the key is no longer in force: it was revoked, or has expired' },
  shutdown: { code: 4100, message: 'this process stops; read on from the last id' },
  slow: { code: 4200, message: 'the client did not keep up; read on from the last id' },
  restored: { code: 4300, message: 'the database was restored from a backup; ask again whether the last id can be honoured' },
} as const;

export type StreamEnd = keyof typeof STREAM_ENDS;

/** Names of the frames that are no events of the log. Each event of the log has its type as its name, which holds a dot. */
export const STREAM_FRAMES = ['hello', 'position', 'closed'] as const;
