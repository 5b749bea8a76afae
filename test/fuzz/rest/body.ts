import type { Draw } from '../engine/draw.js';
import { hostileJson, hostileNumber, hostileText } from '../engine/hostile.js';
import { mutatedBytes, mutatedText } from '../engine/mutate.js';
import type { ApiDescription, Schema } from './document.js';
import { type Resources, valuesFor } from './resources.js';

const DEPTH_MAX = 6;
const HOSTILE_SHARE = 0.06;

/** Makes JSON texts that follow a schema, and some that do not. */
export class BodyMaker {
  constructor(
    private readonly description: ApiDescription,
    private readonly resources: Resources,
  ) {}

  /** The JSON text of a value of this schema. */
  value(schema: Schema, draw: Draw, path: string, name = '', depth = 0): string {
    const known = this.description.resolved(schema);
    if (draw.chance(HOSTILE_SHARE)) return hostileJson(draw);
    if (known.const !== undefined) return JSON.stringify(known.const);
    if (known.enum && draw.chance(0.9)) return JSON.stringify(draw.pick(known.enum));
    const ways = known.oneOf ?? known.anyOf ?? known.allOf;
    if (ways?.length) return this.value(draw.pick(ways), draw, path, name, depth);
    const type = Array.isArray(known.type) ? draw.pick(known.type) : known.type;
    switch (type) {
      case 'object':
        return depth > DEPTH_MAX ? '{}' : this.object(known, draw, path, depth);
      case 'array': {
        const length = draw.weighted([
          [2, 0],
          [6, draw.between(1, 3)],
          [1, 101],
          [0.2, 1_001],
        ]);
        const items = known.items ?? { type: 'string' };
        return `[${Array.from({ length }, () => this.value(items, draw, path, name, depth + 1)).join(',')}]`;
      }
      case 'integer':
      case 'number':
        return draw.chance(0.2) ? hostileNumber(draw) : String(within(known, draw));
      case 'boolean':
        return String(draw.chance(0.5));
      case 'null':
        return 'null';
      default:
        return JSON.stringify(this.text(draw, path, name));
    }
  }

  /** A text for a parameter or member of this name: real, changed, or hostile. */
  text(draw: Draw, path: string, name: string): string {
    const real = valuesFor(name, path, this.resources);
    return draw.weighted([
      [real ? 12 : 0, () => draw.pick(real!)],
      [real ? 2 : 0, () => mutatedText(draw.pick(real!), draw)],
      [real ? 2 : 4, () => hostileText(draw)],
      [real ? 0.2 : 2, () => draw.pick(['a', 'some text', 'x-custom', '1', 'true'])],
    ])();
  }

  private object(schema: Schema, draw: Draw, path: string, depth: number): string {
    const { properties = {}, required = [], additionalProperties } = schema;
    const members = Object.entries(properties)
      .filter(([name]) => draw.chance(required.includes(name) ? 0.97 : 0.3))
      .map(([name, value]) => `${JSON.stringify(name)}:${this.value(value, draw, path, name, depth + 1)}`);
    if (typeof additionalProperties === 'object' && draw.chance(0.7))
      members.push(
        `${JSON.stringify(draw.chance(0.6) ? 'x-own' : hostileText(draw).slice(0, 200))}:${this.value(additionalProperties, draw, path, '', depth + 1)}`,
      );
    if (draw.chance(0.03))
      members.push(`${JSON.stringify(draw.chance(0.5) ? '__proto__' : hostileText(draw).slice(0, 200))}:${hostileJson(draw)}`);
    if (draw.chance(0.02) && members[0]) members.push(members[0]);
    return `{${members.join(',')}}`;
  }
}

function within({ minimum = -10, maximum = 10_000 }: Schema, draw: Draw): number {
  return draw.weighted([
    [4, draw.between(Math.ceil(minimum), Math.floor(maximum))],
    [1, minimum],
    [1, maximum],
    [0.5, minimum - 1],
    [0.5, maximum + 1],
  ]);
}

/** Bytes of a JSON text: mostly as they are, at times in a form that no parser takes. */
export function bodyBytes(text: string, draw: Draw): Buffer {
  return draw.weighted([
    [30, () => Buffer.from(text)],
    [1, () => Buffer.from(text).subarray(0, draw.below(text.length + 1))],
    [1, () => mutatedBytes(Buffer.from(text), draw)],
    [0.5, () => Buffer.from(`\ufeff${text}`)],
    [0.3, () => Buffer.from(text, 'utf16le')],
    [0.3, () => Buffer.from(`${text}${text}`)],
    [0.3, () => Buffer.from(text.replaceAll('"', "'"))],
    [0.3, () => Buffer.alloc(0)],
    [0.05, () => Buffer.from(`{"a":"${'x'.repeat(1_100_000)}"}`)],
    [0.3, () => Buffer.from(hostileJson(draw))],
  ])();
}
