/** Bounds of one live stream, whatever its codec. */
export class StreamLimits {
  /** A heartbeat is sent this often, so that proxies keep the connection and a client notices a dead one. */
  heartbeatMs = 15_000;
  /** A client that takes nothing for this long is cut off. */
  drainMsMax = 30_000;
  /** Unsent bytes kept for one client. */
  bufferBytesMax = 1_048_576;
  /** A stream with an `until` waits this long after it for events that were received before it. */
  lateMs = 5_000;
  /** Streams of one process, whatever their keys. */
  streamsMax = 5_000;
}
