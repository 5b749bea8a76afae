import { Module } from '@nestjs/common';
import { ProjectionKeeper } from './projection-keeper.js';

/** The copies of tables that Redis has. Whoever owns a table adds its copy. */
@Module({ providers: [ProjectionKeeper], exports: [ProjectionKeeper] })
export class ProjectionsModule {}
