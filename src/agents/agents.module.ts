import { Module } from '@nestjs/common';
import { DiscoveryModule } from '@nestjs/core';
import { AgentExplorer } from './agent-explorer.service.js';
import { Agents } from './agents.js';

@Module({
  imports: [DiscoveryModule],
  providers: [Agents, AgentExplorer],
  exports: [Agents],
})
export class AgentsModule {}
