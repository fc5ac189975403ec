import process from 'node:process';
import { Inject, Module } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { AppModule } from '../../../../dist/app.module.js';
import { LeaseRepository } from '../../../../dist/runs/queue/lease.repository.js';
import { serve } from '../../../../dist/serve.js';
import { ChaosTools } from './chaos-tools.mjs';

/** The built server with the tools of the tests; it tells by which name the database knows it. */
class ChaosModule {
  constructor(modules) {
    this.modules = modules;
  }

  onApplicationBootstrap() {
    const { holder } = this.modules.get(LeaseRepository, { strict: false });
    process.stdout.write(`holder ${holder}\n`);
  }
}
Inject(ModuleRef)(ChaosModule, undefined, 0);
Module({ providers: [ChaosTools] })(ChaosModule);

// `serve` serves AppModule: the tests' module is one import more of it, as in the recipe of CONTRIBUTING.md.
const imports = Reflect.getMetadata('imports', AppModule);
Reflect.defineMetadata('imports', [...imports, ChaosModule], AppModule);
// A collection on demand: what is left of the heap after it is what is held.
process.on('SIGUSR2', () => globalThis.gc?.());
await serve();
