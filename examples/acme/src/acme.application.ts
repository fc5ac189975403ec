import { Module } from '@nestjs/common';
import { AppModule } from 'agentline/app';
import { AcmeModule } from './acme/acme.module.js';

/** Agentline, and what is ours. */
@Module({ imports: [AppModule, AcmeModule] })
export class AcmeApplication {}
