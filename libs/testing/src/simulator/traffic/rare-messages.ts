import { CAPTIONS, GOALS, POLL_OPTIONS, QUESTIONS } from './content.js';
import { type Method, methodOf } from '../wire/methods.js';
import { type MessageIdentity, writeCommon } from '../wire/message-identity.js';
import type { SharedParts } from './shared-parts.js';
import type { Random } from './random.js';
import type { SimulatedUser } from './users.js';
import type { Effect } from '../room/totals.js';
import { decimal, encode, type WireWriter } from '../wire/protobuf.js';

/** What rare messages need of the traffic of their room. */
export interface RareContext {
  readonly shared: SharedParts;
  readonly random: Random;
  readonly salt: number;
  readonly anchorId: string;
  /** The message that deletions and pins refer to. */
  readonly lastChat: { high: number; low: number; user: SimulatedUser; text: string } | undefined;
  user(): SimulatedUser;
}

/** The kinds of message that are each a small share of a room's traffic, with their weight out of 1,000. */
export const RARE_WEIGHTS = {
  question: 6,
  emote: 12,
  envelope: 6,
  superFanBox: 3,
  superFan: 4,
  superFanJoin: 3,
  barrage: 4,
  battle: 5,
  armies: 12,
  caption: 22,
  roomPin: 4,
  poll: 8,
  goal: 8,
  imDelete: 7,
  rankUpdate: 10,
  subscribe: 4,
  pause: 2,
  liveIntro: 2,
  unknown: 28,
} as const;

/** {@link RARE_WEIGHTS} by name. */
export type RareKind = keyof typeof RARE_WEIGHTS;

/** ControlAction of the wire. */
export const CONTROL = { paused: 1, resumed: 2, ended: 3, suspended: 4 } as const;

const METHOD = {
  question: methodOf('WebcastQuestionNewMessage'),
  emote: methodOf('WebcastEmoteChatMessage'),
  envelope: methodOf('WebcastEnvelopeMessage'),
  barrage: methodOf('WebcastBarrageMessage'),
  battle: methodOf('WebcastLinkMicBattle'),
  armies: methodOf('WebcastLinkMicArmies'),
  caption: methodOf('WebcastCaptionMessage'),
  roomPin: methodOf('WebcastRoomPinMessage'),
  poll: methodOf('WebcastPollMessage'),
  goal: methodOf('WebcastGoalUpdateMessage'),
  imDelete: methodOf('WebcastImDeleteMessage'),
  rankUpdate: methodOf('WebcastRankUpdateMessage'),
  subscribe: methodOf('WebcastSubNotifyMessage'),
  control: methodOf('WebcastControlMessage'),
  liveIntro: methodOf('WebcastLiveIntroMessage'),
  chat: methodOf('WebcastChatMessage'),
};

type RareWritten = { method: Method; effect: Effect | undefined };

/** One rare message: where it is written, and what it is about. `now` in ms since 1970. */
interface RareMessage {
  writer: WireWriter;
  identity: MessageIdentity;
  room: RareContext;
  now: number;
}

/** Writes the payload of one rare message. */
export function writeRare(kind: RareKind, writer: WireWriter, identity: MessageIdentity, room: RareContext, now: number): RareWritten {
  return WRITERS[kind]({ writer, identity, room, now });
}

const WRITERS: Record<RareKind, (message: RareMessage) => RareWritten> = {
  question: ({ writer, identity, room, now }) => {
    const id = decimal(identity.high, identity.low);
    writeCommon(writer, METHOD.question, identity);
    const question = writer.open(2);
    writer.id(1, id).str(2, room.random.pick(QUESTIONS)).int(3, 1).int(4, now).packed(5, room.user().small);
    writer.close(question);
    return plain(METHOD.question);
  },
  emote: ({ writer, identity, room }) => {
    writeCommon(writer, METHOD.emote, identity);
    writer.packed(2, room.user().full).bytes(3, room.random.pick(room.shared.emotes));
    return plain(METHOD.emote);
  },
  envelope: (message) => writeEnvelope('envelope', message),
  superFanBox: (message) => writeEnvelope('superFanBox', message),
  superFan: (message) => writeBarrage('superFan', message),
  superFanJoin: (message) => writeBarrage('superFanJoin', message),
  barrage: (message) => writeBarrage('barrage', message),
  battle: ({ writer, identity, room, now }) => {
    const opponent = room.user();
    writeCommon(writer, METHOD.battle, identity);
    writer.id(2, battleId(room, now));
    const settings = writer.open(3);
    writer.id(1, battleId(room, now)).int(2, now).int(3, 300).int(5, 1).int(8, 1);
    writer.close(settings);
    writer.int(4, room.random.pick([4, 5]));
    for (const [id, user] of [
      [room.anchorId, room.user()],
      [opponent.id, opponent],
    ] as const) {
      writer.bytes(
        9,
        encode((army) => army.id(1, id).bytes(2, encodeArmy(room, id))),
      );
      writer.bytes(
        10,
        encode((entry) =>
          entry.id(1, id).bytes(
            2,
            encode((info) =>
              info.bytes(
                1,
                encode((base) => base.id(1, id).str(2, user.nickname).str(4, user.handle)),
              ),
            ),
          ),
        ),
      );
    }
    return plain(METHOD.battle);
  },
  armies: ({ writer, identity, room, now }) => {
    writeCommon(writer, METHOD.armies, identity);
    writer.id(2, battleId(room, now));
    for (const id of [room.anchorId, room.user().id])
      writer.bytes(
        3,
        encode((entry) => entry.id(1, id).bytes(2, encodeArmy(room, id))),
      );
    writer.id(4, battleId(room, now)).int(5, now).int(6, now).int(7, 1);
    return plain(METHOD.armies);
  },
  caption: ({ writer, identity, room, now }) => {
    writeCommon(writer, METHOD.caption, { ...identity, createTime: 0 });
    writer.int(2, now).int(3, 1_500);
    writer.bytes(
      4,
      encode((content) => content.str(1, 'en').str(2, room.random.pick(CAPTIONS))),
    );
    writer.int(5, identity.low).int(6, 1).int(7, 1);
    return plain(METHOD.caption);
  },
  roomPin: ({ writer, identity, room, now }) => {
    const chat = room.lastChat;
    writeCommon(writer, METHOD.roomPin, identity);
    if (chat) {
      const nested = writer.open(2);
      writeCommon(writer, METHOD.chat, { ...identity, high: chat.high, low: chat.low });
      writer.packed(2, chat.user.small).str(3, chat.text);
      writer.close(nested);
      writer.str(30, METHOD.chat.name).int64(35, chat.high, chat.low);
    }
    writer.int(31, now).int(33, 1).int(34, 60);
    return plain(METHOD.roomPin);
  },
  poll: ({ writer, identity, room, now }) => {
    const votes = POLL_OPTIONS.map(() => room.random.int(0, 80));
    const options = (field: number) => {
      for (const [index, text] of POLL_OPTIONS.entries())
        writer.bytes(
          field,
          encode((option) =>
            option
              .int(1, votes[index] ?? 0)
              .str(2, text)
              .int(3, index + 1),
          ),
        );
    };
    const stage = room.random.int(1, 3);
    writeCommon(writer, METHOD.poll, identity);
    writer.int(2, stage - 1).id(3, battleId(room, now));
    const content = writer.open(stage === 1 ? 4 : stage === 2 ? 6 : 5);
    if (stage === 1) writer.int(1, now).int(2, now + 60_000);
    options(stage === 1 ? 3 : 2);
    if (stage === 1) writer.str(4, 'Another one?');
    writer.close(content);
    return plain(METHOD.poll);
  },
  goal: ({ writer, identity, room, now }) => {
    const target = 1_000;
    const contributor = room.user();
    writeCommon(writer, METHOD.goal, identity);
    const goal = writer.open(3);
    writer.id(1, battleId(room, now)).int(2, 1).int(3, 1);
    writer.bytes(
      4,
      encode((part) => part.int(1, 1).int(2, 5_655).int(3, room.random.int(0, target)).int(4, target)),
    );
    writer.str(5, room.random.pick(GOALS));
    writer.close(goal);
    writer.id(4, contributor.id).str(6, contributor.handle).int(9, room.random.int(1, 20)).int(10, room.random.int(1, 20)).int(16, 2);
    return plain(METHOD.goal);
  },
  imDelete: ({ writer, identity, room }) => {
    writeCommon(writer, METHOD.imDelete, identity);
    const chat = room.lastChat;
    if (chat)
      writer.bytes(
        2,
        encode((ids) => ids.varint64(chat.high, chat.low)),
      );
    return plain(METHOD.imDelete);
  },
  rankUpdate: ({ writer, identity, room }) => {
    writeCommon(writer, METHOD.rankUpdate, identity);
    writer.bytes(
      2,
      encode((update) => update.int(1, 1).int(2, room.random.int(1, 99)).int(5, 1)),
    );
    return plain(METHOD.rankUpdate);
  },
  subscribe: ({ writer, identity, room }) => {
    writeCommon(writer, METHOD.subscribe, identity);
    writer.packed(2, room.user().full).int(4, room.random.int(1, 24)).int(5, 1).int(8, 1);
    return plain(METHOD.subscribe);
  },
  pause: ({ writer, identity, room }) => {
    return writeControl(writer, identity, room.random.chance(0.5) ? CONTROL.paused : CONTROL.resumed);
  },
  liveIntro: ({ writer, identity, room }) => {
    return writeLiveIntro(writer, identity, room, 'Welcome, be kind to each other');
  },
  unknown: ({ writer, identity, room }) => {
    const { method, body } = room.random.pick(room.shared.opaque);
    writeCommon(writer, methodOf(method), identity);
    writer.bytes(9, body);
    return plain(methodOf(method));
  },
};

function writeEnvelope(kind: 'envelope' | 'superFanBox', { writer, identity, room, now }: RareMessage): RareWritten {
  writeCommon(writer, METHOD.envelope, identity, kind === 'superFanBox' ? room.shared.text.superFanBox : undefined);
  const user = room.user();
  const envelope = writer.open(2);
  writer
    .str(1, decimal(identity.high, identity.low))
    .int(2, kind === 'superFanBox' ? 19 : 1)
    .str(3, 'sim')
    .str(4, user.nickname);
  writer
    .int(5, room.random.pick([20, 100, 500]))
    .int(6, room.random.int(3, 50))
    .int(7, Math.floor(now / 1000) + 180)
    .str(8, user.id);
  writer.str(10, String(Math.floor(now / 1000)));
  writer.close(envelope);
  writer.int(3, 1);
  return plain(METHOD.envelope);
}

function writeBarrage(kind: 'superFan' | 'superFanJoin' | 'barrage', { writer, identity, room }: RareMessage): RareWritten {
  writeCommon(writer, METHOD.barrage, identity);
  writer.int(3, kind === 'barrage' ? 8 : 100).packed(4, room.shared.icon);
  if (kind !== 'barrage') writer.bytes(5, kind === 'superFan' ? room.shared.text.superFan : room.shared.text.superFanJoined);
  writer.int(6, 3_000).packed(50, room.user().full);
  return plain(METHOD.barrage);
}

/** A WebcastControlMessage: paused, resumed, ended, suspended. */
export function writeControl(writer: WireWriter, identity: MessageIdentity, action: number): RareWritten {
  writeCommon(writer, METHOD.control, identity);
  writer.int(2, action);
  return plain(METHOD.control);
}

/** The text a creator gives their stream, sent at its start with createTime 0. */
export function writeLiveIntro(writer: WireWriter, identity: MessageIdentity, room: RareContext, content: string): RareWritten {
  writeCommon(writer, METHOD.liveIntro, { ...identity, createTime: 0 });
  writer.id(2, decimal(identity.high, identity.low)).int(3, 1).str(4, content).packed(5, room.user().small).str(8, 'en');
  return plain(METHOD.liveIntro);
}

function plain(method: Method): RareWritten {
  return { method, effect: undefined };
}

/** Battles, polls and goals last a while: their id changes every five minutes. */
function battleId(room: RareContext, now: number): string {
  const began = Math.floor(now / 300_000) * 300;
  return ((BigInt(began) << 32n) | BigInt(room.salt)).toString();
}

function encodeArmy(room: RareContext, anchorId: string): Buffer {
  return encode((armies) => {
    for (let place = 0; place < 3; place++) {
      const user = room.user();
      armies.bytes(
        1,
        encode((army) => army.id(1, user.id).int(2, room.random.int(1, 5_000)).str(3, user.nickname).str(6, user.id)),
      );
    }
    armies.int(2, room.random.int(1, 20_000)).str(3, anchorId);
  });
}
