/** What an event says, in words: for the feed of the dashboard and for `npm run tail`. It uses no page. */
import { count, duration } from '../elements/format.js';

/** @import { EventData, GapReason, Person, UnwatchedReason } from '../api/event-data.js' */

/**
 * A piece of the words: text, a person (each reader shows them by a name of its choice), or an amount of diamonds.
 * @typedef {string | { who: Person | undefined } | { gem: string }} Part
 */

/** An icon and the pieces. @typedef {[icon: string, ...parts: Part[]]} Words */

/** @type {Record<GapReason, string>} */
const GAP_TEXT = {
  disconnect: 'the connection broke',
  silence: 'the connection fell silent',
  takeover: 'another worker took over',
  blocked: 'TikTok refused',
  'buffer-full': 'the buffer was full',
  paused: 'it was paused',
  shutdown: 'its worker stopped',
};

/** @type {Record<UnwatchedReason, string>} */
const UNWATCHED_TEXT = {
  paused: 'it was paused',
  removed: 'it was removed',
  'no-worker': 'no worker holds it',
  'not-received': 'nothing was received for long',
  'end-missed': 'its end was missed',
};

/** @type {Partial<Record<EventData['tiktok.live.subscribe']['notice'], string>>} */
const SUBSCRIBE_TEXT = { subscribed: 'subscribed', gifted: 'received a subscription', expiring: 'has a subscription that ends soon' };

/** @param {GapReason} reason */
export const gapReason = (reason) => GAP_TEXT[reason] ?? reason;
/** @param {Pick<EventData['monitor.gap'], 'from' | 'to'>} gap */
export const gapMs = ({ from, to }) => Math.max(0, Date.parse(to) - Date.parse(from)) || 0;
/** `linkMicBattle` as `link mic battle`. @param {string} name */
const readable = (name) => name.replaceAll(/([a-z])([A-Z])/g, '$1 $2').toLowerCase();
/**
 * For each type its words; undefined for an event in which a person has nothing to read. An event of an older version may lack a field.
 * @type {{ [T in keyof EventData]: (data: EventData[T], who: Part) => Words | undefined }}
 */
const WORDS = {
  'tiktok.live.roomUser': ({ viewers }) => ['pulse', `${count(viewers)} viewers`],
  'tiktok.live.chat': (data, who) => ['chat', who, ` ${data.comment ?? ''}`],
  'tiktok.live.question': (data, who) => ['chat', who, ` asks: ${data.text}`],
  'tiktok.live.emote': (_, who) => ['chat', who, ' sent an emote'],
  'tiktok.live.caption': ({ texts, definite }) => (definite && texts?.[0] ? ['chat', `“${texts[0].text}”`] : undefined),
  'tiktok.live.liveIntro': ({ text }) => (text ? ['chat', text] : undefined),
  'tiktok.live.roomPin': (data) => (data.action === 'pin' && data.comment ? ['chat', `Pinned: ${data.comment}`] : undefined),
  'tiktok.live.gift': (data, who) =>
    data.count ? ['gift', who, ` sent ${count(data.count)} × ${data.name || 'a gift'} `, { gem: data.totalDiamonds === undefined ? '◆ ?' : `◆ ${count(data.totalDiamonds)}` }] : undefined,
  'tiktok.live.envelope': (data) =>
    data.display === 'show' ? ['gift', { who: data.sender }, ' put out a treasure box ', { gem: `◆ ${count(data.diamonds ?? 0)}` }] : undefined,
  'tiktok.live.subscribe': (data, who) => ['gift', who, ` ${SUBSCRIBE_TEXT[data.notice] ?? 'subscription'}${data.months > 1 ? `, ${data.months} months` : ''}`],
  'tiktok.live.superFan': (data, who) => (data.notice === 'became' ? ['gift', who, ' became a super fan'] : undefined),
  'tiktok.live.superFanJoin': (_, who) => ['gift', who, ', a super fan, joined'],
  'tiktok.live.like': (data, who) => ['like', who, ` liked × ${count(data.count ?? 1)}`],
  'tiktok.live.member': (_, who) => ['join', who, ' joined'],
  'tiktok.live.follow': (_, who) => ['follow', who, ' followed'],
  'tiktok.live.share': (_, who) => ['share', who, ' shared the live'],
  'tiktok.live.control': ({ action }) => (action === 'paused' || action === 'resumed' ? ['pause', `The host ${action} the live`] : undefined),
  'tiktok.live.streamEnd': ({ reason }) => ['pause', reason === 'suspended' ? 'TikTok ended the live' : 'The host ended the live'],
  'tiktok.live.goalUpdate': ({ description, subGoals }) => {
    const goal = subGoals?.[0];
    return ['gem', `Goal${description ? ` “${description}”` : ''}${goal ? `: ${count(goal.progress)} of ${count(goal.target)}` : ''}`];
  },
  'tiktok.live.poll': ({ title, phase }) => ['chat', `Poll${title ? ` “${title}”` : ''}: ${phase}`],
  'tiktok.live.linkMicBattle': ({ action }) => ['pulse', `Battle: ${readable(action ?? '')}`],
  'tiktok.live.imDelete': ({ messageIds, userIds }) => ['trash', `${count((messageIds?.length ?? 0) + (userIds?.length ?? 0))} messages or users were removed`],
  'monitor.live': ({ title }) => ['pulse', `Went live${title ? `: ${title}` : ''}`],
  'monitor.offline': ({ confirmedBy }) => ['pause', `Ended, confirmed by ${confirmedBy}`],
  'monitor.unwatched': ({ reason }) => ['pause', `Watched no more: ${UNWATCHED_TEXT[reason] ?? readable(reason ?? '')}`],
  'monitor.connected': ({ worker, provider }) => ['pulse', `Connected by ${worker}${provider ? ` through ${provider}` : ''}`],
  'monitor.disconnected': ({ durationMs, reason }) => ['warn', `Disconnected after ${duration(durationMs ?? 0)}: ${reason}`],
  'monitor.gap': (data) => ['gap', `Gap of ${duration(gapMs(data))}: ${gapReason(data.reason)}`],
  'monitor.error': ({ message, reason }) => ['warn', message || reason],
  'monitor.webhook': ({ message, endpoint }) => ['hook', `Webhook ${endpoint}: ${message}`],
};

/** Whether a type has words of its own; another is said by its name alone. @param {string} type */
export const hasWords = (type) => Object.hasOwn(WORDS, type);

/**
 * An event in words; undefined when a person has nothing to read in it, such as a caption that may still change.
 * @param {{ type: string, data: { user?: Person } }} event
 * @returns {Words | undefined}
 */
export function wordsOf({ type, data }) {
  const who = { who: data.user };
  // The table pairs each type with its data, which the compiler cannot follow through a type that is only known as text.
  const words = /** @type {Record<string, ((data: object, who: Part) => Words | undefined) | undefined>} */ (WORDS)[type];
  if (words) return words(data, who);
  const name = readable(type.replace(/^.*\./, ''));
  return data.user ? ['system', who, ' · ', name] : ['system', name];
}
