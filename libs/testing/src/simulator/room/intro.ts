import { type RareContext, writeLiveIntro } from '../traffic/rare-messages.js';
import { type MessageIdentity, writeCommon } from '../wire/message-identity.js';
import { type Method, methodOf } from '../wire/methods.js';
import type { WireWriter } from '../wire/protobuf.js';

/** A message without its identity, which can be written several times. */
export interface RepeatableMessage {
  method: Method;
  write: (writer: WireWriter, identity: MessageIdentity) => void;
}

const LIVE_INTRO = methodOf('WebcastLiveIntroMessage');
const WELCOME = methodOf('WebcastRoomMessage');
const GOODY_BAG = methodOf('WebcastGoodyBagMessage');

/**
 * The first messages of a broadcast, repeated in each connect bundle: the creator's text, a welcome, 40 KB of goods. `title` is
 * read each time that the creator's text is written.
 */
export function introMessages(context: RareContext, title: () => string): RepeatableMessage[] {
  return [
    { method: LIVE_INTRO, write: (writer, identity) => void writeLiveIntro(writer, identity, context, title()) },
    simple(WELCOME, (writer) => writer.str(2, 'Welcome to the LIVE! Be kind to each other.').int(7, 1)),
    simple(GOODY_BAG, (writer) => writer.bytes(9, context.shared.goodyBag)),
  ];
}

function simple(method: Method, body: (writer: WireWriter) => void): RepeatableMessage {
  return {
    method,
    write: (writer, identity) => {
      writeCommon(writer, method, identity);
      body(writer);
    },
  };
}
