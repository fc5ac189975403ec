import { readdirSync, readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { posix } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { INestApplication } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { ProblemFilter } from '../errors/problem.filter.js';
import { ConsoleController } from './console.controller.js';

const FOLDER = new URL('public/', import.meta.url);
const names = readdirSync(FOLDER, { recursive: true, encoding: 'utf8' }).map((name) =>
  name.replaceAll('\\', '/'),
);
const read = (name: string) => readFileSync(new URL(name, FOLDER), 'utf8');
const page = read('index.html');
/** Of other packages, served beside the own files. */
const LIBRARIES = ['marked.js', 'dompurify.js', 'eventsource-parser/index.js'];
const scripts = names.filter((name) => name.endsWith('.js')).map((name) => ({ name, text: read(name) }));

/** All first groups of the matches. */
const all = (text: string, pattern: RegExp) => Array.from(text.matchAll(pattern), (match) => match[1]!);

let app: INestApplication;
let origin: string;

beforeAll(async () => {
  const module = await Test.createTestingModule({ controllers: [ConsoleController] }).compile();
  app = module.createNestApplication({ logger: false });
  app.useGlobalFilters(new ProblemFilter());
  await app.listen(0, '127.0.0.1');
  origin = `http://127.0.0.1:${(app.getHttpServer().address() as AddressInfo).port}`;
});

afterAll(() => app.close());

describe('the console on the wire', () => {
  it('is served at the root, to be checked for a new version each time', async () => {
    const response = await fetch(origin);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(response.headers.get('cache-control')).toBe('no-cache');
    expect(await response.text()).toBe(page);
    const headers = { 'if-none-match': response.headers.get('etag')!, 'cache-control': 'max-age=0' };
    const again = await fetch(origin, { headers });
    expect(again.status).toBe(304);
  });

  it('serves every file that the page names, with its type', async () => {
    const paths = all(page, /(?:href|src)="(\/[^"]+)"/g);
    const answers = await Promise.all(
      paths.map(async (path) => {
        const { status, headers } = await fetch(origin + path);
        return `${path} ${status} ${headers.get('content-type')}`;
      }),
    );
    const types = {
      svg: 'image/svg+xml',
      css: 'text/css; charset=utf-8',
      js: 'text/javascript; charset=utf-8',
    };
    const typeOf = (path: string) => types[path.slice(path.lastIndexOf('.') + 1) as keyof typeof types];
    expect(paths).toContain('/console/console.js');
    expect(paths).toContain('/console/page/theme.js');
    expect(answers).toEqual(paths.map((path) => `${path} 200 ${typeOf(path)}`));
  });

  it.each(LIBRARIES)('serves the library %s as a module that is checked for a new version', async (name) => {
    const response = await fetch(`${origin}/console/lib/${name}`);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('text/javascript; charset=utf-8');
    expect(response.headers.get('cache-control')).toBe('no-cache');
    expect(/\bexport ?(?:\{|\*|class|function)/.test(await response.text())).toBe(true);
  });

  it.each([
    '/console/none.js',
    '/console/purify.es.mjs',
    '/console/lib/none.js',
    '/console/lib/client/..%2f..%2fmain.js',
    '/console/purify.min.js',
    '/console/marked.esm.js.map',
    '/console/..%2fconsole.module.ts',
    '/console/.env',
    '/console/index.html',
    '/console',
  ])('answers %s as not found', async (path) => {
    const response = await fetch(origin + path);
    expect(response.status).toBe(404);
    expect(await response.json()).toMatchObject({ code: 'not_found' });
  });
});

describe('the files of the console', () => {
  it('have no script, style or handler in the page', () => {
    const [before, after] = page.split(/<script type="importmap">[^<]*<\/script>/);
    expect(before + after!).not.toMatch(/<style|<script(?![^>]*\ssrc=)|\sstyle=|\son\w+=|javascript:/i);
  });

  it('load nothing from another place', () => {
    const links = all(page, /(?:href|src)="([^"]+)"/g);
    expect(links.filter((link) => !/^(\/console\/|#)/.test(link))).toEqual([]);
    for (const name of names.filter((name) => name.endsWith('.css')))
      expect(read(name)).not.toMatch(/url\(|@import/);
  });

  it('name only elements that the page has', () => {
    const ids = new Set(all(page, /\sid="([^"]+)"/g));
    const referenced = [
      ...scripts.flatMap(({ text }) => all(text, /byId\('([^']+)'\)/g)),
      ...all(page, /\s(?:for|aria-controls|aria-describedby|aria-labelledby)="([^"]+)"/g),
    ];
    expect(referenced.length).toBeGreaterThan(20);
    expect(referenced.filter((id) => !ids.has(id))).toEqual([]);
  });

  it('import only modules that exist', () => {
    const bare = all(page, /^ +"([a-z/-]+)": "\/console/gm);
    const missing = scripts.flatMap(({ name, text }) =>
      all(text, /from '([^']+)'/g)
        .filter((specifier) => !bare.includes(specifier))
        .map((specifier) => posix.join(posix.dirname(name), specifier))
        .filter((target) => !names.includes(target)),
    );
    expect(bare.length).toBeGreaterThan(2);
    expect(missing).toEqual([]);
  });

  it.each(scripts)('$name never makes HTML or code of a string', ({ text }) => {
    expect(text).not.toMatch(
      /innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment|setHTML|DOMParser|\beval\b|Function\(/,
    );
  });
});
