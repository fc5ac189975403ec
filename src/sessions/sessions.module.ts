import { Module } from '@nestjs/common';
import { Forks } from './forks.service.js';
import { MessageRepository } from './message.repository.js';
import { SessionRepository } from './session.repository.js';
import { ShareWatch } from './shares/share-watch.service.js';
import { ShareRepository } from './shares/share.repository.js';
import { SharesController } from './shares/shares.controller.js';
import { Shares } from './shares/shares.service.js';
import { SessionsController } from './sessions.controller.js';
import { SessionsService } from './sessions.service.js';

@Module({
  controllers: [SessionsController, SharesController],
  providers: [
    SessionRepository,
    MessageRepository,
    SessionsService,
    Forks,
    ShareRepository,
    ShareWatch,
    Shares,
  ],
  exports: [SessionRepository, MessageRepository, SessionsService],
})
export class SessionsModule {}
