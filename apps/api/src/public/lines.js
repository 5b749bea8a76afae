/** Events as lines that a person reads. */
import { count, duration } from './dom.js';

const KIND_OF = {
  chat: 'chat',
  question: 'chat',
  emote: 'chat',
  caption: 'chat',
  roomPin: 'chat',
  liveIntro: 'chat',
  gift: 'gift',
  envelope: 'gift',
  superFanBox: 'gift',
  subscribe: 'gift',
  superFan: 'gift',
  superFanJoin: 'gift',
  like: 'like',
  member: 'join',
  follow: 'social',
  share: 'social',
  social: 'social',
  control: 'system',
  streamEnd: 'system',
};

const GAP_TEXT = {
  disconnect: 'the connection broke',
  silence: 'the connection fell silent',
  takeover: 'another worker took over',
  blocked: 'TikTok refused',
  'buffer-full': 'the buffer was full',
  paused: 'it was paused',
  shutdown: 'its worker stopped',
};

const UNWATCHED_TEXT = {
  paused: 'it was paused',
  removed: 'it was removed',
  'no-worker': 'no worker holds it',
  'not-received': 'nothing was received for long',
  'end-missed': 'its end was missed',
};

const SUBSCRIBE_TEXT = { subscribed: 'subscribed', gifted: 'received a subscription', expiring: 'has a subscription that ends soon' };

export const gapReason = (reason) => GAP_TEXT[reason] ?? reason;
export const gapMs = ({ from, to }) => Math.max(0, Date.parse(to) - Date.parse(from)) || 0;
const readable = (name) => name.replaceAll(/([a-z])([A-Z])/g, '$1 $2').toLowerCase();
const nameOf = (user) => user?.nickname || user?.uniqueId || 'Somebody';

/** For each type its icon and its words; undefined for what only moves a number. A part `{who}` is a name, `{gem}` an amount. */
const WORDS = {
  'tiktok.live.roomUser': () => undefined,
  'tiktok.live.chat': (data, who) => ['chat', who, ` ${data.comment ?? ''}`],
  'tiktok.live.question': (data, who) => ['chat', who, ` asks: ${data.text}`],
  'tiktok.live.emote': (_, who) => ['chat', who, ' sent an emote'],
  'tiktok.live.caption': ({ texts, definite }) => (definite && texts?.[0] ? ['chat', `“${texts[0].text}”`] : undefined),
  'tiktok.live.liveIntro': ({ text }) => (text ? ['chat', text] : undefined),
  'tiktok.live.roomPin': (data) => (data.action === 'pin' && data.comment ? ['chat', `Pinned: ${data.comment}`] : undefined),
  'tiktok.live.gift': (data, who) =>
    data.count ? ['gift', who, ` sent ${count(data.count)} × ${data.name || 'a gift'} `, { gem: data.totalDiamonds === undefined ? '◆ ?' : `◆ ${count(data.totalDiamonds)}` }] : undefined,
  'tiktok.live.envelope': (data) =>
    data.display === 'show' ? ['gift', { who: nameOf(data.sender) }, ' put out a treasure box ', { gem: `◆ ${count(data.diamonds ?? 0)}` }] : undefined,
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

/** An event as a line of the feed; undefined when it has nothing to say. */
export function lineOf(event) {
  const name = event.type.replace(/^.*\./, '');
  const who = { who: nameOf(event.data.user) };
  const words = WORDS[event.type] ?? ((data) => ['system', ...(data.user ? [who, ' · '] : []), readable(name)]);
  const said = words(event.data, who);
  if (!said) return undefined;
  const [icon, ...parts] = said;
  const kind = event.type.startsWith('monitor.') ? 'system' : (KIND_OF[name] ?? 'other');
  return { creator: event.creator, creatorId: event.subject, time: event.receivedat, kind, icon, parts };
}
