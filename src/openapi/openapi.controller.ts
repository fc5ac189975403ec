import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { Controller, Get, Header, Param, Res } from '@nestjs/common';
import { ApiExcludeEndpoint, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { OpenOutsideProduction } from '../auth/access.decorator.js';
import { AppError } from '../errors/app-error.js';
import { ApiDocument } from './api-document.service.js';
import { socketDocument } from './socket-document.js';
import { DOCS_PAGE, DOCS_POLICY, DOCS_SCRIPT } from './docs-page.js';

const FOLDER = dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'));
const FILES = new Set(['swagger-ui.css', 'swagger-ui-bundle.js', 'favicon-32x32.png']);

const A_DOCUMENT = { content: { 'application/json': { schema: { type: 'object' as const } } } };

/** The description of the API, for programs and for people. In production only for who is signed in. */
@ApiTags('operation')
@Controller('api')
@OpenOutsideProduction()
export class OpenApiController {
  private readonly socketText = JSON.stringify(socketDocument());

  constructor(private readonly document: ApiDocument) {}

  @ApiOperation({ summary: 'This document' })
  @ApiOkResponse(A_DOCUMENT)
  @Get('openapi.json')
  @Header('Content-Type', 'application/json; charset=utf-8')
  @Header('Cache-Control', 'private, no-cache')
  json(): string {
    return this.document.text;
  }

  @ApiOperation({ summary: 'The socket, as AsyncAPI' })
  @ApiOkResponse(A_DOCUMENT)
  @Get('asyncapi.json')
  @Header('Content-Type', 'application/json; charset=utf-8')
  @Header('Cache-Control', 'private, no-cache')
  socket(): string {
    return this.socketText;
  }

  @ApiExcludeEndpoint()
  @Get('docs')
  @Header('Content-Type', 'text/html; charset=utf-8')
  @Header('Content-Security-Policy', DOCS_POLICY)
  @Header('Cache-Control', 'private, no-cache')
  page(): string {
    return DOCS_PAGE;
  }

  @ApiExcludeEndpoint()
  @Get('docs/start.js')
  @Header('Content-Type', 'text/javascript; charset=utf-8')
  @Header('Cache-Control', 'private, no-cache')
  script(): string {
    return DOCS_SCRIPT;
  }

  @ApiExcludeEndpoint()
  @Get('docs/:file')
  file(@Param('file') file: string, @Res() response: Response): void {
    if (!FILES.has(file)) throw new AppError('not_found', 'There is no such file of the documentation.');
    response.sendFile(file, {
      root: FOLDER,
      cacheControl: false,
      headers: { 'Cache-Control': 'private, max-age=3600' },
    });
  }
}
