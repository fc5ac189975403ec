import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { type RunningApp, startApp } from './support/app.js';
import { readAsyncApi, readOpenApi } from './support/openapi/read-document.js';

interface RouterLayer {
  route?: { path: string; methods: Record<string, boolean> };
}

let adapter: HttpAdapterHost;

@Injectable()
class Probe {
  constructor(host: HttpAdapterHost) {
    adapter = host;
  }
}

class AroundApp {}

let app: RunningApp;
const document = readOpenApi();

beforeAll(async () => {
  app = await startApp({}, (application) => ({
    module: AroundApp,
    imports: [application],
    providers: [Probe],
  }));
});

afterAll(() => app?.stop());

const operations = () => Object.values(document.paths).flatMap((item) => Object.values(item));

describe('openapi.json', () => {
  it('is what the server serves; `npm run openapi` writes it anew', async () => {
    const served = await fetch(`${app.url}/api/openapi.json`);
    expect(await served.json()).toEqual(document);
  });

  it('describes every route but those of the pages', () => {
    const router = adapter.httpAdapter.getInstance<{ router: { stack: RouterLayer[] } }>().router;
    const routes = router.stack.flatMap(({ route }) =>
      route ? Object.keys(route.methods).map((method) => `${method} ${route.path}`) : [],
    );
    const paths = Object.entries(document.paths).flatMap(([path, item]) =>
      Object.keys(item).map((method) => `${method} ${path.replaceAll(/\{(\w+)\}/g, ':$1')}`),
    );
    // Pages and their files; and what answers for every path that is none.
    const pages =
      /^(get \/(console\/(\*path|lib\/(:folder\/)?:file)|api\/docs(\/start\.js|\/:file)?)?|\S+ \{\/\*splat\})$/;
    expect(routes.filter((route) => !pages.test(route)).toSorted()).toEqual(paths.toSorted());
  });

  it('names each operation once, by its controller and what it does', () => {
    const ids = operations().map(({ operationId }) => operationId);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.filter((id) => !/^[A-Z][A-Za-z]+_[a-z][A-Za-z]+$/.test(id))).toEqual([]);
  });

  it('says of every operation what it is for, and where it belongs', () => {
    const silent = operations().filter(({ summary, tags }) => !summary || !tags?.[0]);
    expect(silent.map(({ operationId }) => operationId)).toEqual([]);
  });
});

describe('asyncapi.json', () => {
  it('is what the server serves; `npm run openapi` writes it anew', async () => {
    const served = await fetch(`${app.url}/api/asyncapi.json`);
    expect(served.headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(await served.json()).toEqual(readAsyncApi());
  });
});
