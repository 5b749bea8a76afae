import { encode } from './protobuf.js';

/** A wire name with the parts of a message that never change. */
export interface Method {
  index: number;
  name: string;
  /** `CommonMessageData.method` and `BaseProtoMessage.method`, which are both field 1. */
  nameField: Buffer;
}

const methods: Method[] = [];
const byName = new Map<string, Method>();
/** Wire names of TikTok number about a hundred; a replayed file may bring more, but not without end. */
const METHODS_MAX = 65_535;

/** The entry of a wire name, made on first use. @throws RangeError past 65,535 different names. */
export function methodOf(name: string): Method {
  const known = byName.get(name);
  if (known) return known;
  if (methods.length >= METHODS_MAX) throw new RangeError('too many different message methods');
  const method = { index: methods.length, name, nameField: encode((writer) => writer.str(1, name)) };
  methods.push(method);
  byName.set(name, method);
  return method;
}

export function methodName(index: number): string {
  return methods[index]?.name ?? '';
}
