import 'reflect-metadata';
import Anthropic from '@anthropic-ai/sdk';
import { Body, Controller, Get, Module, RequestMethod, Sse, type MessageEvent } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import process from 'node:process';
import { Observable } from 'rxjs';
import { modelRequest } from '../../harness/model-request.ts';

/** As a tutorial has it: `@Sse`, and an Observable of objects. Decorators are applied by hand: Node strips types only. */
const anthropic = new Anthropic({ apiKey: 'bench', baseURL: process.env['MODEL_URL'] });

class StreamController {
  ready(): string {
    return 'ready';
  }

  stream(body: { content: string }): Observable<MessageEvent> {
    return new Observable((subscriber) => {
      const gone = new AbortController();
      this.relay(body.content, gone.signal, (event) => subscriber.next(event)).then(
        () => subscriber.complete(),
        (error: unknown) => subscriber.error(error),
      );
      return () => gone.abort();
    });
  }

  private async relay(
    content: string,
    signal: AbortSignal,
    emit: (event: MessageEvent) => void,
  ): Promise<void> {
    const stream = await anthropic.messages.create({ ...modelRequest(content), stream: true }, { signal });
    for await (const event of stream) {
      if (event.type === 'content_block_delta' && event.delta.type === 'text_delta')
        emit({ type: 'token', data: { text: event.delta.text } });
    }
    emit({ type: 'done', data: {} });
  }
}

class AppModule {}

function decorate(method: 'ready' | 'stream', ...decorators: MethodDecorator[]): void {
  const descriptor = Object.getOwnPropertyDescriptor(StreamController.prototype, method);
  if (descriptor === undefined) throw new Error(`no method ${method}`);
  for (const decorator of decorators) decorator(StreamController.prototype, method, descriptor);
}

decorate('ready', Get('ready'));
decorate('stream', Sse('stream', { method: RequestMethod.POST }));
Body()(StreamController.prototype, 'stream', 0);
Reflect.defineMetadata('design:paramtypes', [Object], StreamController.prototype, 'stream');
Controller()(StreamController);
Module({ controllers: [StreamController] })(AppModule);

const app = await NestFactory.create(AppModule, { logger: ['error', 'warn'] });
await app.listen(Number(process.env['PORT']), '127.0.0.1');
