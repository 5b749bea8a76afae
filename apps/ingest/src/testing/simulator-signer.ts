import type { BundleQuery, BundleResult, RoomIdResult, Signer } from '@tributary/signing';
import type { Simulator } from '@tributary/testing';
import { browserParams } from '@tributary/webcast';
import { ProtoMessageFetchResult } from 'tiktok-live-proto/v3';

const USER_AGENT = 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36';

/** Makes bundles that lead straight to the simulator's socket, so that a suite needs no signer process. */
export class SimulatorSigner implements Signer {
  calls = 0;
  readonly queries: BundleQuery[] = [];
  isDown = false;
  /** Waited for before each answer. */
  before: () => Promise<void> = () => Promise.resolve();

  constructor(private readonly simulator: Simulator) {}

  async fetchBundle(query: BundleQuery, signal: AbortSignal): Promise<BundleResult> {
    const { roomId } = query;
    this.calls += 1;
    this.queries.push(query);
    await this.before();
    if (this.isDown) return { ok: false, reason: 'unavailable', message: 'the signer is down' };
    const answer = await fetch(this.simulator.url, { signal, headers: { 'user-agent': USER_AGENT } });
    await answer.arrayBuffer();
    const cookies = answer.headers
      .getSetCookie()
      .map((line) => line.split(';', 1)[0])
      .join('; ');
    const routeParams = { ...browserParams(USER_AGENT), aid: '1988', identity: 'audience', version_code: '180800', ws_direct: '1' };
    const now = Date.now();
    const fetchResult = ProtoMessageFetchResult.encode({
      messages: [],
      cursor: `t-${now}_r-1_d-1_u-1_h-1`,
      fetchInterval: '1000',
      now: String(now),
      internalExt: '',
      fetchType: 0,
      routeParams,
      heartbeatDuration: '10000',
      needAck: true,
      pushServer: this.simulator.socketUrl,
      isFirst: true,
      historyCommentCursor: '',
      historyNoMore: false,
    }).finish();
    return { ok: true, bundle: { fetchResult, cookies, roomId, userAgent: USER_AGENT, provider: 'simulator' } };
  }

  roomId(): Promise<RoomIdResult> {
    return Promise.resolve({ ok: false, reason: 'unavailable', message: 'not asked for in this suite' });
  }
}
