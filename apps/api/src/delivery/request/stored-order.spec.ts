import { describe, expect, it } from '@jest/globals';
import { inStoredOrder } from './stored-order.js';

describe('the stored order of JSON', () => {
  it('has shorter names first and equal ones by their bytes, at every depth, and changes no value', () => {
    const value = { zz: [{ b: 1, a: { long: 1, s: null } }], a: 'x', é: 1, abc: false, abd: 0 };
    expect(JSON.stringify(inStoredOrder(value))).toBe('{"a":"x","zz":[{"a":{"s":null,"long":1},"b":1}],"é":1,"abc":false,"abd":0}');
    expect(inStoredOrder(value)).toEqual(value);
  });

  it('is no way to change a prototype', () => {
    const made = inStoredOrder(JSON.parse('{"__proto__": {"polluted": true}, "a": 1}')) as Record<string, unknown>;
    expect(Object.getPrototypeOf(made)).toBe(Object.prototype);
    expect(made.polluted).toBeUndefined();
    expect(JSON.stringify(made)).toBe('{"a":1,"__proto__":{"polluted":true}}');
  });
});
