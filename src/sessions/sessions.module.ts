import { Module } from '@nestjs/common';
import { Forks } from './forks.service.js';
import { MessageRepository } from './message.repository.js';
import { SessionRepository } from './session.repository.js';
import { SessionsController } from './sessions.controller.js';
import { SessionsService } from './sessions.service.js';

@Module({
  controllers: [SessionsController],
  providers: [SessionRepository, MessageRepository, SessionsService, Forks],
  exports: [SessionRepository, MessageRepository, SessionsService],
})
export class SessionsModule {}
