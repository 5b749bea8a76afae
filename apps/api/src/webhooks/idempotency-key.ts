import { Problem } from '@tributary/runtime';

const VISIBLE = /^[\x21-\x7e]{1,255}$/;

/** Reads the header `Idempotency-Key`; undefined where there is none. @throws Problem naming it when it is malformed */
export function idempotencyKey(text: string | undefined): string | undefined {
  if (text === undefined || VISIBLE.test(text)) return text;
  throw Problem.badField('Idempotency-Key', '1 to 255 visible ASCII characters');
}
