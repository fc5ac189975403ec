import { type INestApplication, Injectable } from '@nestjs/common';
import { DiscoveryService, MetadataScanner, Reflector } from '@nestjs/core';
import { DocumentBuilder, SwaggerModule } from '@nestjs/swagger';
import { OPEN, type Open } from '../auth/access.decorator.js';
import { AppError } from '../errors/app-error.js';
import { completeDocument } from './complete-document.js';
import { standardSchemaConverter } from './zod-converter.js';

/** The wire contract's major version: it changes when something listed changes or vanishes. */
const CONTRACT_VERSION = '1';

/** The OpenAPI document of the whole application, made when it is first asked for. */
@Injectable()
export class ApiDocument {
  private app: INestApplication | undefined;
  private made: string | undefined;

  constructor(
    private readonly discovery: DiscoveryService,
    private readonly reflector: Reflector,
    private readonly scanner: MetadataScanner,
  ) {}

  /** Tells which application is described. All controllers must be there already. */
  attach(app: INestApplication): void {
    this.app = app;
    this.made = undefined;
  }

  /** The document as JSON text, always the same one. */
  get text(): string {
    if (!this.app) throw new AppError('unavailable', 'The server is still starting: try again in a moment.');
    return (this.made ??= JSON.stringify(this.describe(this.app)));
  }

  private describe(app: INestApplication) {
    const open = this.openOperations();
    const document = SwaggerModule.createDocument(app, frame(), {
      operationIdFactory: operationId,
      standardSchemaConverter,
    });
    return completeDocument(document, (id) => open.has(id));
  }

  /** Ids of the routes that ask for no principal. */
  private openOperations(): Set<string> {
    const ids = this.discovery.getControllers().flatMap(({ metatype }) => {
      if (!metatype) return [];
      const prototype = metatype.prototype as Record<string, () => unknown>;
      return this.scanner
        .getAllMethodNames(prototype)
        .filter((name) => this.isOpen([prototype[name], metatype]))
        .map((name) => operationId(metatype.name, name));
    });
    return new Set(ids);
  }

  private isOpen(targets: unknown[]): boolean {
    const known = targets.filter((target) => typeof target === 'function');
    return this.reflector.getAllAndOverride<Open | undefined>(OPEN, known) === 'always';
  }
}

function operationId(controller: string, method: string): string {
  return `${controller.replace(/Controller$/, '')}_${method}`;
}

function frame() {
  return new DocumentBuilder()
    .setOpenAPIVersion('3.1.0')
    .setTitle('Agentline')
    .setDescription('Runs of AI agents that stream, resume after any cut, and finish.')
    .setVersion(CONTRACT_VERSION)
    .addBearerAuth({ type: 'http', scheme: 'bearer' }, 'bearer')
    .addCookieAuth(
      'session',
      { type: 'apiKey', in: 'cookie', description: '`__Host-session` over https' },
      'cookie',
    )
    .addSecurityRequirements('bearer')
    .addSecurityRequirements('cookie')
    .build();
}
