import { ApiProperty } from '@nestjs/swagger';
import { encodeCursor } from '@tributary/log';
import { PageEnd } from '../../http/paging.js';
import { REPLAY_STATES, type Replay } from './replay-store.js';

const instant = { type: String, format: 'date-time' } as const;

export class ReplayView {
  @ApiProperty({ description: 'id of the replay' })
  id!: string;
  @ApiProperty({ enum: REPLAY_STATES })
  state!: Replay['state'];
  @ApiProperty({ description: 'position it started after' })
  from!: string;
  @ApiProperty({ description: 'position it ends at' })
  to!: string;
  @ApiProperty({ description: 'position it has come to' })
  position!: string;
  @ApiProperty({ type: 'number', minimum: 0, maximum: 1 })
  progress!: number;
  @ApiProperty({ type: 'number', description: 'deliveries a second' })
  rateLimit!: number;
  @ApiProperty({
    type: 'object',
    selfRequired: true,
    required: ['open', 'delivered', 'dead'],
    properties: Object.fromEntries(['open', 'delivered', 'dead'].map((name) => [name, { type: 'integer' }])),
    additionalProperties: false,
  })
  deliveries!: { open: number; delivered: number; dead: number };
  @ApiProperty(instant)
  createdAt!: Date;
  @ApiProperty({ ...instant, nullable: true })
  endedAt!: Date | null;
}

export class ReplayPage extends PageEnd {
  @ApiProperty({ type: [ReplayView] })
  data!: ReplayView[];
}

/** A replay as it is shown, with positions of this generation of the log. */
export function replayView(replay: Replay, generation: number): ReplayView {
  const { id, state, after, to, position, ratePerSecond, open, delivered, dead, createdAt, endedAt } = replay;
  const cursor = (seq: number) => encodeCursor({ generation, seq });
  return {
    id,
    state,
    from: cursor(after),
    to: cursor(to),
    position: cursor(position),
    progress: to > after ? Math.min(1, (position - after) / (to - after)) : 1,
    rateLimit: ratePerSecond,
    deliveries: { open, delivered, dead },
    createdAt,
    endedAt,
  };
}
