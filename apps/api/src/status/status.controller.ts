import { Controller, Get, Inject } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { CREATOR_STATES } from '@tributary/creators';
import type { KeyRecord } from '@tributary/runtime';
import { Caller, Needs } from '../access/needs.js';
import { reachOf } from '../access/reach.js';
import { LiveStreams } from '../live/live-streams.js';
import { type SystemStatus, SystemStatusReader } from './system-status.js';

const integer = { type: 'integer' };
const counts = { type: 'object', additionalProperties: integer };

/** One part of the answer: its facts when `ok`, else `reason`. */
const part = (properties: Record<string, object>) => ({
  type: 'object',
  required: ['ok'],
  properties: { ok: { type: 'boolean' }, reason: { type: 'string', description: 'why it does not answer' }, ...properties },
});

@ApiTags('status')
@Needs('read')
@Controller('v1/status')
export class StatusController {
  constructor(
    @Inject(SystemStatusReader) private readonly reader: SystemStatusReader,
    @Inject(LiveStreams) private readonly live: LiveStreams,
  ) {}

  @Get()
  @ApiOperation({
    summary: 'How every part of the system is',
    description:
      'A part that does not answer is shown as such; the answer itself is always 200. A key that is limited to creators gets `time`, `log`, and `creators` and `live` of its own.',
  })
  @ApiOkResponse({
    schema: {
      type: 'object',
      properties: {
        time: { type: 'string', format: 'date-time' },
        log: part({ generation: integer, position: { type: 'string' }, oldest: { type: 'string' } }),
        store: part({
          lag: { type: 'object', properties: { entries: integer, oldestMs: integer }, description: 'received and not yet stored' },
          sessionsBehind: { ...integer, description: 'stored and not yet counted into sessions' },
          deadLetters: { ...integer, description: 'entries that could not be stored' },
        }),
        workers: part({ list: { type: 'array', items: { type: 'object' } } }),
        creators: part({
          total: integer,
          paused: integer,
          byState: { type: 'object', properties: Object.fromEntries(CREATOR_STATES.map((state) => [state, integer])) },
        }),
        leases: part({ held: integer, byWorker: counts }),
        redis: part({
          latencyMs: { type: 'number' },
          version: { type: 'string' },
          usedBytes: integer,
          maxBytes: integer,
          policy: { type: 'string' },
        }),
        postgres: part({ latencyMs: { type: 'number' }, version: { type: 'string' }, connections: counts }),
        signer: part({ latencyMs: { type: 'number' }, providers: { description: 'what the signer says of its providers' } }),
        live: { type: 'object', properties: { streams: integer }, description: 'live readers of this process, or of the key' },
      },
    },
  })
  async status(@Caller() caller: KeyRecord): Promise<Partial<SystemStatus> & { live: { streams: number } }> {
    const reach = reachOf(caller);
    if (reach) return { ...(await this.reader.readWithin(reach)), live: { streams: this.live.countOf(caller.id) } };
    return { ...(await this.reader.read()), live: { streams: this.live.count } };
  }
}
