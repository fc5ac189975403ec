import { type INestApplication, Injectable } from '@nestjs/common';
import { DiscoveryService, MetadataScanner, Reflector } from '@nestjs/core';
import { DocumentBuilder, SwaggerModule } from '@nestjs/swagger';
import { OPEN, type Open, STREAM } from '../auth/access.decorator.js';
import { AppError } from '../errors/app-error.js';
import type { ErrorCode } from '../errors/error-codes.js';
import { REFUSALS } from '../errors/refuses.decorator.js';
import { completeDocument, type RouteAccess } from './complete-document.js';
import { CONTRACT_VERSION } from './contract-version.js';
import { standardSchemaConverter } from './zod-converter.js';

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
    const document = SwaggerModule.createDocument(app, frame(), {
      operationIdFactory: operationId,
      standardSchemaConverter,
    });
    return completeDocument(document, this.readAccess());
  }

  /** By operation id, what decorators say of a route that Nest's own description leaves out. */
  private readAccess(): Map<string, RouteAccess> {
    const routes = this.discovery.getControllers().flatMap(({ metatype }) => {
      if (!metatype) return [];
      const prototype = metatype.prototype as Record<string, () => unknown>;
      return this.scanner
        .getAllMethodNames(prototype)
        .map(
          (name) => [operationId(metatype.name, name), this.accessOf([prototype[name], metatype])] as const,
        );
    });
    return new Map(routes);
  }

  private accessOf(targets: unknown[]): RouteAccess {
    const known = targets.filter((target) => typeof target === 'function');
    return {
      open: this.reflector.getAllAndOverride<Open | undefined>(OPEN, known),
      acceptsTicket: this.reflector.getAllAndOverride<boolean | undefined>(STREAM, known) ?? false,
      refusals: this.reflector.getAllAndOverride<ErrorCode[] | undefined>(REFUSALS, known) ?? [],
    };
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
    .setLicense('Apache-2.0', 'https://www.apache.org/licenses/LICENSE-2.0')
    .addServer('/')
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
