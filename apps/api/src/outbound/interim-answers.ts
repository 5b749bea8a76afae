import type { Socket } from 'node:net';

/** Interim answers before one final answer, and bytes of them; no server has use for more. */
const ANSWERS_MAX = 100;
const BYTES_MAX = 65_536;
/** `HTTP/1.1 103`, as far as it tells interim from final. */
const STATUS_LENGTH = 12;
/** 101 is none: it ends HTTP on this connection, which nobody asked for. */
const INTERIM = /^HTTP\/1\.[01] 1(?!01)\d\d/;
const HEAD_END = '\r\n\r\n';
const NOTHING = Buffer.alloc(0);

/**
 * Leaves out the interim answers (1xx) that a server may send before its final one, as RFC 9110 wants, `100 Continue` among
 * them, which undici takes for the end of the connection. For a connection of undici's with one request at a time, whose
 * bodies are buffers: then nothing is written between a request and the end of its answer.
 */
export function skipInterimAnswers(socket: Socket): void {
  const read = socket.read.bind(socket) as (size?: number) => Buffer | null;
  const write = socket.write.bind(socket) as (...args: unknown[]) => boolean;
  let isHead = false;
  let pending: Buffer = NOTHING;
  let answers = 0;
  let bytes = 0;

  /** What of `pending` belongs to the final answer; null while that has not begun. */
  const final = (): Buffer | null => {
    for (;;) {
      const status = pending.toString('latin1', 0, STATUS_LENGTH);
      if (status.length < STATUS_LENGTH && 'HTTP/1.'.startsWith(status.slice(0, 7))) return null;
      if (!INTERIM.test(status)) {
        isHead = false;
        const rest = pending;
        pending = NOTHING;
        return rest;
      }
      const end = pending.indexOf(HEAD_END);
      const length = end < 0 ? pending.length : end + HEAD_END.length;
      if (answers + 1 > ANSWERS_MAX || bytes + length > BYTES_MAX) {
        socket.destroy(Object.assign(new Error('too many interim answers'), { code: 'UND_ERR_RES_INTERIM' }));
        return null;
      }
      if (end < 0) return null;
      answers += 1;
      bytes += length;
      pending = pending.subarray(length);
    }
  };

  Object.assign(socket, {
    write: (...args: unknown[]) => {
      // A request begins: what comes next is the head of an answer.
      isHead = true;
      answers = 0;
      bytes = 0;
      return write(...args);
    },
    read: (size?: number) => {
      const chunk = read(size);
      if (chunk === null || !isHead) return chunk;
      pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
      return final();
    },
  });
}
