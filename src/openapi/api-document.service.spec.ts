import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  Body,
  Controller,
  Delete,
  Get,
  type INestApplication,
  Param,
  Patch,
  Post,
  Query,
  Sse,
} from '@nestjs/common';
import { ApiOkResponse, type OpenAPIObject } from '@nestjs/swagger';
import { DiscoveryModule } from '@nestjs/core';
import { Test } from '@nestjs/testing';
import { NEVER } from 'rxjs';
import { z } from 'zod';
import { AcceptsTicket, Public } from '../auth/access.decorator.js';
import { Refuses } from '../errors/refuses.decorator.js';
import { ApiDocument } from './api-document.service.js';

const part = z.strictObject({ text: z.string().nullable(), size: z.int() }).meta({ id: 'Part' });
const order = z
  .strictObject({ parts: z.array(part), free: z.json(), note: z.string().default('') })
  .meta({ id: 'Order' });
const page = z.object({ limit: z.string().transform(Number).default(20), cursor: z.string().optional() });

@Controller('things')
class ThingsController {
  @Post(':id')
  create(@Param('id') id: string, @Body({ schema: order }) body: z.output<typeof order>) {
    return { id, body };
  }

  @Patch(':id')
  @Refuses('approval_expired')
  change(@Param('id') id: string, @Body({ schema: order.optional() }) body: z.output<typeof order>) {
    return { id, body };
  }

  @Delete(':id')
  @AcceptsTicket()
  end(@Param('id') id: string) {
    return { id };
  }

  @Get()
  @Public()
  @ApiOkResponse({ standardSchema: part })
  list(@Query({ schema: page }) query: z.output<typeof page>) {
    return query;
  }
}

@Controller('api/agent')
class StreamController {
  @Sse('stream')
  follow() {
    return NEVER;
  }

  @Post('stream')
  start() {
    return NEVER;
  }
}

let app: INestApplication;
let document: OpenAPIObject;

beforeAll(async () => {
  const module = await Test.createTestingModule({
    imports: [DiscoveryModule],
    controllers: [ThingsController, StreamController],
    providers: [ApiDocument],
  }).compile();
  app = module.createNestApplication({ logger: false });
  app.get(ApiDocument).attach(app);
  await app.init();
  document = JSON.parse(app.get(ApiDocument).text) as OpenAPIObject;
});

afterAll(() => app.close());

const schemas = () => document.components!.schemas as Record<string, Record<string, unknown>>;

/** Every `$ref` of the document. */
function references(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, child]) =>
    key === '$ref' ? [String(child)] : references(child),
  );
}

describe('the OpenAPI document', () => {
  it('is OpenAPI 3.1 and describes every route of the application', () => {
    expect(document.openapi).toBe('3.1.0');
    const routes = Object.entries(document.paths).flatMap(([path, item]) =>
      Object.keys(item).map((method) => `${method} ${path}`),
    );
    expect(routes).toEqual([
      'get /api/agent/stream',
      'post /api/agent/stream',
      'get /things',
      'post /things/{id}',
      'patch /things/{id}',
      'delete /things/{id}',
    ]);
  });

  it('describes bodies by their zod schemas, as JSON Schema 2020-12', () => {
    expect(document.paths['/things/{id}']!.post!.requestBody).toEqual({
      required: true,
      content: { 'application/json': { schema: { $ref: '#/components/schemas/Order' } } },
    });
    expect(schemas().Part).toEqual({
      type: 'object',
      properties: { text: { type: ['string', 'null'] }, size: { type: 'integer' } },
      required: ['text', 'size'],
      additionalProperties: false,
    });
    expect(schemas().Order!.required).toEqual(['parts', 'free']);
  });

  it('says of a body that may be left out that it may', () => {
    expect(document.paths['/things/{id}']!.patch!.requestBody).toEqual({
      required: false,
      content: { 'application/json': { schema: { $ref: '#/components/schemas/Order' } } },
    });
  });

  it('describes query parameters one by one, as they are sent', () => {
    expect(document.paths['/things']!.get!.parameters).toEqual([
      expect.objectContaining({ name: 'limit', in: 'query', required: false, schema: { type: 'string' } }),
      expect.objectContaining({ name: 'cursor', in: 'query', required: false, schema: { type: 'string' } }),
    ]);
  });

  it('describes both streams with a schema of the data and one of each event', () => {
    const content = {
      'text/event-stream': {
        schema: { $ref: '#/components/schemas/StreamEventData' },
        itemSchema: { $ref: '#/components/schemas/StreamEvent' },
      },
    };
    const { get, post } = document.paths['/api/agent/stream']!;
    expect(get!.responses['200']).toMatchObject({ content });
    expect(Object.keys(get!.responses)).toEqual(['200', '204', '400', '401', '403', 'default']);
    expect(get!.parameters).toEqual([expect.objectContaining({ name: 'Last-Event-ID', in: 'header' })]);
    expect(post!.responses['200']).toMatchObject({ content });
    expect(Object.keys(post!.responses)).not.toContain('201');
  });

  it('describes each event that a run can write', () => {
    expect(schemas().StreamEvent).toMatchObject({
      discriminator: {
        propertyName: 'event',
        mapping: { tool_call: '#/components/schemas/ToolCallEvent' },
      },
      oneOf: ['Run', 'Token', 'Thinking', 'ToolCall', 'Approval', 'ToolResult', 'Reset', 'Error', 'Done'].map(
        (name) => ({ $ref: `#/components/schemas/${name}Event` }),
      ),
    });
    expect(schemas().ToolCallEvent).toMatchObject({
      properties: {
        event: { const: 'tool_call' },
        data: {
          type: 'string',
          contentMediaType: 'application/json',
          contentSchema: { $ref: '#/components/schemas/ToolCallEventData' },
        },
      },
    });
    expect(schemas().DoneEventData).toMatchObject({
      properties: { usage: { $ref: '#/components/schemas/Usage' }, cost_usd: { type: ['number', 'null'] } },
      required: ['status', 'stop_reason', 'usage', 'cost_usd'],
    });
  });

  it('says where a ticket will do', () => {
    const { parameters } = document.paths['/things/{id}']!.delete!;
    expect(parameters).toContainEqual(expect.objectContaining({ name: 'ticket', in: 'query' }));
  });

  it('says of a route how it alone refuses', () => {
    expect(Object.keys(document.paths['/things/{id}']!.patch!.responses)).toContain('410');
    expect(Object.keys(document.paths['/things/{id}']!.post!.responses)).not.toContain('410');
  });

  it('says of every route how it refuses', () => {
    const operations = Object.values(document.paths).flatMap((item) =>
      [item.get, item.post, item.patch, item.delete].filter((op) => !!op),
    );
    expect(operations.map((operation) => operation.responses['default'])).toEqual(
      Array.from({ length: 6 }, () => ({
        description: 'Any other refusal',
        content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
      })),
    );
  });

  it('asks for a bearer or a cookie, but not on open routes', () => {
    expect(document.security).toEqual([{ bearer: [] }, { cookie: [] }]);
    expect(document.paths['/things']!.get!.security).toEqual([]);
    expect(document.paths['/things/{id}']!.post).not.toHaveProperty('security');
  });

  it('refers to nothing that it does not hold', () => {
    const missing = references(document).filter(
      (ref) => !(ref.replace('#/components/schemas/', '') in schemas()),
    );
    expect(missing).toEqual([]);
    expect(JSON.stringify(document)).not.toContain('$defs');
  });
});
