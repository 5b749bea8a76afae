import { describe, expect, it } from '@jest/globals';
import { decodeHandoverState, encodeHandoverState, type HandoverState } from './handover-state.js';

describe('the handover state', () => {
  it('is read as it was written', () => {
    const state: HandoverState = {
      roomId: '1',
      live: true,
      gap: { from: 5, reason: 'blocked', rate: 1.5 },
      room: '{"v":1}',
      ids: ['1', '2'],
    };
    expect(decodeHandoverState(encodeHandoverState(state))).toEqual(state);
  });

  it('is not used where it is of another version, or no state at all', () => {
    for (const text of [undefined, '', 'x', '[]', 'null', '{"v":2,"roomId":"1","live":true}', '{"v":1,"roomId":1,"live":true}']) {
      expect(decodeHandoverState(text)).toBeUndefined();
    }
    expect(decodeHandoverState('{"v":1,"roomId":"1","live":true,"gap":{"from":1,"reason":"nonsense"}}')).toEqual({
      roomId: '1',
      live: true,
    });
  });
});
