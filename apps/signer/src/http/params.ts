import { cookiePairs } from '@tributary/signing';
import { isUniqueId, readUniqueId } from '@tributary/webcast';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { SignError } from './answer.js';

const CURSOR_LENGTH_MAX = 2_000;
const USER_AGENT_LENGTH_MAX = 512;
const COOKIES_LENGTH_MAX = 8_192;
const PRINTABLE = /^[\x20-\x7e]*$/;

export type Query = Record<string, unknown>;

/**
 * One query parameter by any of its names; empty counts as absent. It is refused when it is given twice, by two names with two
 * values, or too long: the access check and the handler must read the same value.
 */
export function textOf(query: Query, names: string[], lengthMax: number): string | undefined {
  let found: { name: string; value: string } | undefined;
  for (const name of names) {
    const value = query[name];
    // Client 2.1 sends null for absent values.
    if (value === undefined || value === null || value === '') continue;
    if (typeof value !== 'string') throw SignError.badParameter(name, 'one value');
    if (value.length > lengthMax) throw SignError.badParameter(name, `at most ${lengthMax} characters`);
    if (found && found.value !== value) throw SignError.badParameter(name, `the same as ${found.name}, or only one of the two`);
    found ??= { name, value };
  }
  return found?.value;
}

/** A room id from a path or query; undefined for none and for `0`, which says "find the room of unique_id". */
export function roomIdOf(value: string | undefined): string | undefined {
  if (value === undefined || value === '' || value === '0') return undefined;
  if (!/^[1-9]\d{4,19}$/.test(value)) throw SignError.badParameter('room_id', '5 to 20 digits');
  return value;
}

/** A creator's handle from any form that people paste. */
export function uniqueIdOf(value: string | undefined): string | undefined {
  if (value === undefined || value === '') return undefined;
  if (isUniqueId(value)) return value;
  const read = readUniqueId(value);
  if (!read.ok) throw new SignError(400, 'bad-request', `unique_id: ${read.reason}`);
  return read.uniqueId;
}

export function cursorOf(query: Query): string {
  return printable('cursor', textOf(query, ['cursor'], CURSOR_LENGTH_MAX)) ?? '';
}

export function userAgentOf(value: string | undefined): string | undefined {
  if (value !== undefined && value.length > USER_AGENT_LENGTH_MAX) {
    throw SignError.badParameter('user_agent', `at most ${USER_AGENT_LENGTH_MAX} characters`);
  }
  return printable('user_agent', value === '' ? undefined : value);
}

/** The session cookies a client sends: a whole jar in `x-cookie-header`, or the two that count as parameters. */
export function cookiesOf(request: FastifyRequest, session: { sessionId?: string; ttTargetIdc?: string; ttwid?: string }): string {
  if (request.headers['x-oauth-token']) {
    throw new SignError(400, 'bad-request', 'x-oauth-token: OAuth sessions live at Euler Stream; send the cookies as x-cookie-header');
  }
  const jar = request.headers['x-cookie-header'];
  const given = typeof jar === 'string' ? jar : '';
  const { sessionId, ttTargetIdc, ttwid } = session;
  if (given === '' && !sessionId && !ttTargetIdc && !ttwid) return '';
  const own = [
    ...(ttwid ? [`ttwid=${ttwid}`] : []),
    ...(sessionId ? ['sessionid', 'sessionid_ss', 'sid_tt', 'sid_guard'].map((name) => `${name}=${sessionId}`) : []),
    ...(ttTargetIdc ? [`tt-target-idc=${ttTargetIdc}`] : []),
  ];
  const all = cookiePairs(given, ...own);
  if (all.length > COOKIES_LENGTH_MAX || !PRINTABLE.test(all)) {
    throw SignError.badParameter('x-cookie-header', `at most ${COOKIES_LENGTH_MAX} printable ASCII characters`);
  }
  return all;
}

/** Aborts when the client hangs up before it was answered. */
export function clientSignal(reply: FastifyReply): AbortSignal {
  const gone = new AbortController();
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) gone.abort();
  });
  return gone.signal;
}

function printable(name: string, value: string | undefined): string | undefined {
  if (value !== undefined && !PRINTABLE.test(value)) throw SignError.badParameter(name, 'printable ASCII characters');
  return value;
}
