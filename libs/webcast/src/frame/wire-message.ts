/** One entry of `ProtoMessageFetchResult.messages`, its payload still encoded. */
export interface WireMessage {
  /** TikTok's name of the message type, such as `WebcastChatMessage`. */
  method: string;
  /** Decimal digits; `0` when TikTok sent none. */
  msgId: string;
  /** A view into its frame's buffer: copy it before keeping it longer than the call. */
  payload: Uint8Array;
}
