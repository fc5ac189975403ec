import { afterEach, describe, expect, it } from '@jest/globals';
import { Controller, Global, Injectable, Module, Scope, type Type } from '@nestjs/common';
import { Test, type TestingModule } from '@nestjs/testing';
import { z } from 'zod';
import { openSqlite } from '../../test/support/databases.js';
import { Database } from '../database/database.js';
import { ToolCaller } from './tool-caller.js';
import { ToolRegistry } from './tool-registry.js';
import { Tool } from './tool.decorator.js';
import type { ToolContext } from './tool.js';
import { ToolsModule } from './tools.module.js';

const input = z.object({ number: z.string().describe('Number of the invoice.') });
const options = { description: 'Finds an invoice.', input };

/** What a newcomer writes: one class with one method. */
@Injectable()
class InvoiceTool {
  private readonly status = 'paid';

  @Tool({ ...options, name: 'find_invoice', idempotent: true })
  find({ number }: { number: string }, { principal }: ToolContext): object {
    return { number, status: this.status, owner: principal.userId };
  }
}

const context: ToolContext = {
  principal: { userId: 'usr_1', tenantId: 'default', email: null, roles: ['member'] },
  sessionId: 'ses_1',
  runId: 'run_1',
  toolCallId: 'toolu_1',
  idempotencyKey: 'run_1.toolu_1',
  signal: new AbortController().signal,
  startAgent: () => Promise.reject(new Error('no agent')),
};

/** What the application gives to all modules. */
@Global()
@Module({ providers: [{ provide: Database, useFactory: openSqlite }], exports: [Database] })
class GroundModule {}

let app: TestingModule | undefined;

async function start(...modules: Type[]): Promise<TestingModule> {
  app = await Test.createTestingModule({ imports: [GroundModule, ToolsModule, ...modules] }).compile();
  return app.init();
}

function moduleNamed(name: string, parts: { providers?: Type[]; controllers?: Type[] }): Type {
  const type = { [name]: class {} }[name]!;
  Module(parts)(type);
  return type;
}

afterEach(async () => {
  await app?.close();
  app = undefined;
});

describe('ToolsModule', () => {
  it('offers the built-in tools', async () => {
    const started = await start();
    const names = started
      .get(ToolRegistry)
      .specs()
      .map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(['calculate', 'fetch_url', 'get_time']));
  });

  it('finds the tool of a newcomer: one file and one import', async () => {
    const started = await start(moduleNamed('AcmeModule', { providers: [InvoiceTool] }));
    const outcome = await started
      .get(ToolCaller)
      .call(started.get(ToolRegistry).select('all'), 'find_invoice', { number: '7' }, context, {
        timeoutMs: 1000,
      });
    expect(outcome).toEqual({ result: { number: '7', status: 'paid', owner: 'usr_1' }, isError: false });
  });

  it('finds tools on controllers and on parent classes', async () => {
    @Controller()
    class InvoiceController extends InvoiceTool {}
    const started = await start(moduleNamed('AcmeModule', { controllers: [InvoiceController] }));
    expect(started.get(ToolRegistry).select('all').find('find_invoice')?.options.idempotent).toBe(true);
  });

  it('counts one object behind two tokens once', async () => {
    @Module({ providers: [InvoiceTool, { provide: 'invoices', useExisting: InvoiceTool }] })
    class AcmeModule {}
    const started = await start(AcmeModule);
    const names = started
      .get(ToolRegistry)
      .list()
      .map(({ options: { name } }) => name);
    expect(names.filter((name) => name === 'find_invoice')).toHaveLength(1);
  });

  it('calls built-in tools', async () => {
    const started = await start();
    const call = (name: string, args: unknown) =>
      started
        .get(ToolCaller)
        .call(started.get(ToolRegistry).select('all'), name, args, context, { timeoutMs: 1000 });
    expect(await call('calculate', { expression: '6 * 7' })).toEqual({
      result: { result: 42 },
      isError: false,
    });
    expect(await call('get_time', { timezone: 'X' })).toMatchObject({ isError: true });
    expect(await call('fetch_url', { url: 'http://127.0.0.1/' })).toEqual({
      result: '"127.0.0.1" is not a public address. Only public addresses can be fetched.',
      isError: true,
    });
  });

  it('refuses to start with two tools of one name and names both places', async () => {
    const one = moduleNamed('OneModule', { providers: [InvoiceTool] });
    const two = moduleNamed('TwoModule', { providers: [InvoiceTool] });
    await expect(start(one, two)).rejects.toThrow(
      'Two tools are named "find_invoice": InvoiceTool.find in OneModule and InvoiceTool.find in TwoModule.',
    );
  });

  it('refuses to start with a bad name or without a description', async () => {
    @Injectable()
    class BadName {
      @Tool({ ...options, name: 'find invoice' })
      find(): void {}
    }
    @Injectable()
    class NoDescription {
      @Tool({ ...options, name: 'find', description: '' })
      find(): void {}
    }
    await expect(start(moduleNamed('AcmeModule', { providers: [BadName] }))).rejects.toThrow(
      'The tool "find invoice" of BadName.find in AcmeModule has a bad name',
    );
    await expect(start(moduleNamed('AcmeModule', { providers: [NoDescription] }))).rejects.toThrow(
      'The tool "find" of NoDescription.find in AcmeModule has no description',
    );
  });

  it.each([Scope.REQUEST, Scope.TRANSIENT])(
    'refuses to start with a tool on a class of scope %s',
    async (scope) => {
      @Injectable({ scope })
      class PerRequest {
        @Tool({ ...options, name: 'find' })
        find(): void {}
      }
      await expect(start(moduleNamed('AcmeModule', { providers: [PerRequest] }))).rejects.toThrow(
        'The tool "find" of PerRequest.find in AcmeModule is in a class made for each request.',
      );
    },
  );
});
