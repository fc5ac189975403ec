import { afterEach, describe, expect, it } from '@jest/globals';
import { Injectable, Module, type ModuleMetadata } from '@nestjs/common';
import { Test, type TestingModule } from '@nestjs/testing';
import { Agent } from './agent.decorator.js';
import { Agents } from './agents.js';
import { AgentsModule } from './agents.module.js';

@Agent({ name: 'support', description: 'Answers customers.', tools: ['find_invoice'] })
@Injectable()
class SupportAgent {}

@Agent({ name: 'support', description: 'Answers others.' })
class OtherSupport {}

let app: TestingModule | undefined;

async function start(...modules: ModuleMetadata[]): Promise<Agents> {
  const types = modules.map((parts, index) => {
    const type = { [`Module${index + 1}`]: class {} }[`Module${index + 1}`]!;
    Module(parts)(type);
    return type;
  });
  app = await Test.createTestingModule({ imports: [AgentsModule, ...types] }).compile();
  return (await app.init()).get(Agents);
}

afterEach(async () => {
  await app?.close();
  app = undefined;
});

describe('@Agent', () => {
  it('makes a provider of any module an agent, once however often it is provided', async () => {
    const agents = await start({ providers: [SupportAgent] }, { providers: [SupportAgent] });
    expect(agents.find('support')).toMatchObject({
      description: 'Answers customers.',
      tools: ['find_invoice'],
    });
  });

  it('refuses the start when two classes use one name, and names both', async () => {
    await expect(start({ providers: [SupportAgent] }, { providers: [OtherSupport] })).rejects.toThrow(
      'Two agents are named "support": SupportAgent in Module1 and OtherSupport in Module2. Rename one of them.',
    );
  });
});
