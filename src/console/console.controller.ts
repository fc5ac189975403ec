import { fileURLToPath } from 'node:url';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { Controller, Get, Param, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { Response } from 'express';
import { Public } from '../auth/access.decorator.js';
import { AppError } from '../errors/app-error.js';

const FILE = /^(?:[a-z-]+\/)*[a-z-]+\.(?:js|css|svg)$/;
const FOLDER = fileURLToPath(new URL('public', import.meta.url));
const { resolve } = createRequire(import.meta.url);

/** Beside the built server; where the server runs from its sources, what was built of them before. */
const CLIENT = import.meta.url.endsWith('.ts') ? '../../dist/client' : '../client';

/** `agentline/client`, as it was built, and what it needs: folders of modules for a browser. */
const FOLDERS = new Map([
  ['client', fileURLToPath(new URL(CLIENT, import.meta.url))],
  ['eventsource-parser', dirname(fileURLToPath(import.meta.resolve('eventsource-parser')))],
]);

/** What else the page needs of others, one file each, from the packages that are installed here. */
const LIBRARIES = new Map([
  ['marked.js', resolve('marked')],
  ['dompurify.js', join(dirname(resolve('dompurify')), 'purify.es.mjs')],
]);

/** Asked for again each time, and not sent again when unchanged: a new version is seen at once. */
const HEADERS = { 'Cache-Control': 'no-cache' };

/** The console: a page over the same API that everybody has. Its files are open, what they show is not. */
@ApiExcludeController()
@Controller()
@Public()
export class ConsoleController {
  @Get()
  page(@Res() response: Response): void {
    send(response, FOLDER, 'index.html');
  }

  @Get('console/lib/:folder/:file')
  module(@Param('folder') folder: string, @Param('file') file: string, @Res() response: Response): void {
    const root = FOLDERS.get(folder);
    if (root === undefined) throw noSuchFile();
    sendKnown(response, root, file);
  }

  @Get('console/lib/:file')
  library(@Param('file') file: string, @Res() response: Response): void {
    const library = LIBRARIES.get(file);
    if (library === undefined) throw noSuchFile();
    send(response, dirname(library), basename(library));
  }

  @Get('console/*path')
  file(@Param('path') path: string[], @Res() response: Response): void {
    sendKnown(response, FOLDER, path.join('/'));
  }
}

function sendKnown(response: Response, root: string, file: string): void {
  if (!FILE.test(file)) throw noSuchFile();
  send(response, root, file);
}

const noSuchFile = () => new AppError('not_found', 'The console has no such file.');

function send(response: Response, root: string, file: string): void {
  response.sendFile(file, { root, cacheControl: false, headers: HEADERS });
}
