import { Injectable, type OnModuleInit } from '@nestjs/common';
import { DiscoveryService, Reflector } from '@nestjs/core';
import type { AgentProfile } from './agent-profile.js';
import { AGENT_PROFILE } from './agent.decorator.js';
import { Agents } from './agents.js';

/** Finds the classes with `@Agent` in all modules of the application, before any run is claimed. */
@Injectable()
export class AgentExplorer implements OnModuleInit {
  constructor(
    private readonly discovery: DiscoveryService,
    private readonly reflector: Reflector,
    private readonly agents: Agents,
  ) {}

  onModuleInit(): void {
    const seen = new Set<unknown>();
    for (const { metatype, host } of this.discovery.getProviders()) {
      // One class may be provided in several modules.
      if (typeof metatype !== 'function' || seen.has(metatype)) continue;
      seen.add(metatype);
      const profile = this.reflector.get<AgentProfile | undefined>(AGENT_PROFILE, metatype);
      if (profile === undefined) continue;
      this.agents.register(profile, `${metatype.name} in ${host?.name ?? 'an unknown module'}`);
    }
  }
}
