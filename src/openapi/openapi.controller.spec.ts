import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { INestApplication } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { OPEN } from '../auth/access.decorator.js';
import { ProblemFilter } from '../errors/problem.filter.js';
import { OpenApiController } from './openapi.controller.js';
import { OpenApiModule } from './openapi.module.js';

let app: INestApplication;
let origin: string;

beforeAll(async () => {
  const module = await Test.createTestingModule({ imports: [OpenApiModule] }).compile();
  app = module.createNestApplication({ logger: false });
  app.useGlobalFilters(new ProblemFilter());
  OpenApiModule.attach(app);
  await app.listen(0, '127.0.0.1');
  origin = `http://127.0.0.1:${(app.getHttpServer().address() as AddressInfo).port}`;
});

afterAll(() => app.close());

describe('the description of the API', () => {
  it('is open outside production only', () => {
    expect(Reflect.getMetadata(OPEN, OpenApiController)).toBe('outside-production');
  });

  it('comes as JSON', async () => {
    const response = await fetch(`${origin}/api/openapi.json`);
    expect(response.headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(await response.json()).toMatchObject({ openapi: '3.1.0', info: { title: 'Agentline' } });
  });

  it('comes as a page without inline scripts, whose files are all here', async () => {
    const response = await fetch(`${origin}/api/docs`);
    expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(response.headers.get('content-security-policy')).toContain("script-src 'self';");
    const page = await response.text();
    expect(page).not.toMatch(/<style|<script(?![^>]*\ssrc=)|\sstyle=|\son\w+=/i);
    const paths = Array.from(page.matchAll(/(?:href|src)="([^"]+)"/g), (match) => match[1]!);
    const files = await Promise.all(paths.map((path) => fetch(origin + path)));
    // An answer that is not read keeps its connection, and the server waits for it at the end.
    for (const file of files) expect((await file.bytes()).length).toBeGreaterThan(0);
    expect(files.map((file) => `${file.status} ${file.headers.get('content-type')}`)).toEqual([
      '200 image/png',
      '200 text/css; charset=utf-8',
      '200 text/javascript; charset=utf-8',
      '200 text/javascript; charset=utf-8',
    ]);
  });

  it.each(['/api/docs/package.json', '/api/docs/swagger-ui.css.map', '/api/docs/..%2fpackage.json'])(
    'keeps %s to itself',
    async (path) => {
      const response = await fetch(origin + path);
      expect({ status: response.status, ...((await response.json()) as object) }).toMatchObject({
        status: 404,
        code: 'not_found',
      });
    },
  );
});
