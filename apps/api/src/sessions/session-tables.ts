import { ApiProperty } from '@nestjs/swagger';
import { PageEnd } from '../http/paging.js';
import { type Bucket, BUCKETS } from './session-store.js';

class LeaderUser {
  @ApiProperty({ description: "TikTok's user id" })
  id!: string;
  @ApiProperty({ type: String, nullable: true, description: 'handle, as it was last seen' })
  uniqueId!: string | null;
  @ApiProperty({ type: String, nullable: true, description: 'display name, as it was last seen' })
  nickname!: string | null;
}

class LeaderView {
  @ApiProperty({ type: 'integer', description: '1 is the first; equals share a rank' })
  rank!: number;
  @ApiProperty({ description: 'the viewer' })
  user!: LeaderUser;
  @ApiProperty({ type: 'integer', description: 'diamonds of the gifts whose price is known' })
  diamonds!: number;
  @ApiProperty({ type: 'integer', description: 'gifts whose price is not known' })
  unpricedGifts!: number;
  @ApiProperty({ type: 'integer', description: 'comments' })
  chats!: number;
  @ApiProperty({ type: 'integer', description: 'likes that TikTok sent, which are a sample' })
  likes!: number;
}

/** The viewers of a session, the best first. It is one page. */
export class Leaderboard extends PageEnd {
  @ApiProperty({ type: [LeaderView], description: 'the best first' })
  data!: LeaderView[];
}

const count = (description: string) => ApiProperty({ type: 'integer', description });

class PointView {
  @ApiProperty({ type: String, format: 'date-time', description: 'start of the bucket' })
  at!: Date;
  @ApiProperty({ type: 'integer', nullable: true, description: 'most viewers seen in it; null where no event says it' })
  viewers!: number | null;
  @count('events of TikTok')
  events!: number;
  @count('comments')
  chats!: number;
  @count('likes that TikTok sent, which are a sample')
  likes!: number;
  @count('gifts')
  gifts!: number;
  @count('of these, the gifts whose price is not known')
  unpricedGifts!: number;
  @count('diamonds of the gifts whose price is known')
  diamonds!: number;
  @count('new followers')
  follows!: number;
  @count('shares of the room')
  shares!: number;
  @count('viewers who joined, as far as TikTok sends them')
  joins!: number;
}

/** Counts of a session over time. It is one page. */
export class Timeline extends PageEnd {
  @ApiProperty({ enum: Object.keys(BUCKETS), description: 'width of a bucket' })
  bucket!: Bucket;
  @ApiProperty({ type: [PointView], description: 'in order of time; buckets without an event are left out' })
  data!: PointView[];
}
