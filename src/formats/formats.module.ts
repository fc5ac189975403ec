import { Module } from '@nestjs/common';
import { AgentModule } from '../agent/agent.module.js';
import { AuthModule } from '../auth/auth.module.js';
import { LimitsModule } from '../limits/limits.module.js';
import { RunsModule } from '../runs/runs.module.js';
import { SessionsModule } from '../sessions/sessions.module.js';
import { AgUiController } from './ag-ui/ag-ui.controller.js';
import { AgUiRuns } from './ag-ui/ag-ui.service.js';
import { AgUiStream } from './ag-ui/ag-ui-stream.service.js';
import { ChatAnswers } from './ai-sdk/chat-answers.service.js';
import { ChatController } from './ai-sdk/chat.controller.js';
import { Chats } from './ai-sdk/chats.service.js';
import { AuditedDecisions } from './audited-decisions.service.js';
import { StreamResponse } from './stream-response.service.js';
import { ThreadRepository } from './thread.repository.js';
import { Threads } from './threads.service.js';

/** The same runs in the vocabularies of other clients: one folder a protocol. */
@Module({
  imports: [AgentModule, AuthModule, LimitsModule, RunsModule, SessionsModule],
  controllers: [AgUiController, ChatController],
  providers: [
    ThreadRepository,
    Threads,
    StreamResponse,
    AuditedDecisions,
    AgUiRuns,
    AgUiStream,
    Chats,
    ChatAnswers,
  ],
})
export class FormatsModule {}
