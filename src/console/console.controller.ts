import { fileURLToPath } from 'node:url';
import { Controller, Get, Param, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { Response } from 'express';
import { Public } from '../auth/access.decorator.js';
import { AppError } from '../errors/app-error.js';

const FILE = /^[a-z-]+\.(?:js|css|svg)$/;

/** Asked for again each time, and not sent again when unchanged: a new version is seen at once. */
const OPTIONS = {
  root: fileURLToPath(new URL('public', import.meta.url)),
  cacheControl: false,
  headers: { 'Cache-Control': 'no-cache' },
} as const;

/** The console: a page over the same API that everybody has. Its files are open, what they show is not. */
@ApiExcludeController()
@Controller()
@Public()
export class ConsoleController {
  @Get()
  page(@Res() response: Response): void {
    response.sendFile('index.html', OPTIONS);
  }

  @Get('console/:file')
  file(@Param('file') file: string, @Res() response: Response): void {
    if (!FILE.test(file)) throw new AppError('not_found', 'The console has no such file.');
    response.sendFile(file, OPTIONS);
  }
}
