import { fileURLToPath } from 'node:url';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { Controller, Get, Param, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { Response } from 'express';
import { Public } from '../auth/access.decorator.js';
import { AppError } from '../errors/app-error.js';

const FILE = /^[a-z-]+\.(?:js|css|svg)$/;
const FOLDER = fileURLToPath(new URL('public', import.meta.url));
const { resolve } = createRequire(import.meta.url);

/** What the page needs of others, as modules for a browser, from the packages that are installed here. */
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

  @Get('console/:file')
  file(@Param('file') file: string, @Res() response: Response): void {
    const library = LIBRARIES.get(file);
    if (library !== undefined) send(response, dirname(library), basename(library));
    else if (FILE.test(file)) send(response, FOLDER, file);
    else throw new AppError('not_found', 'The console has no such file.');
  }
}

function send(response: Response, root: string, file: string): void {
  response.sendFile(file, { root, cacheControl: false, headers: HEADERS });
}
