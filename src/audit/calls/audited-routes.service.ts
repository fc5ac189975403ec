import { Injectable, RequestMethod, type OnModuleInit } from '@nestjs/common';
import { METHOD_METADATA, PATH_METADATA } from '@nestjs/common/constants.js';
import { DiscoveryService, MetadataScanner, Reflector } from '@nestjs/core';
import { AUDITED, type AuditedRoute } from '../audited.decorator.js';
import { RouteTable } from './route-table.js';

/** All routes of the application, with the names that `@Audited` gives them; also of modules that nobody knows here. */
@Injectable()
export class AuditedRoutes implements OnModuleInit {
  readonly table = new RouteTable();

  constructor(
    private readonly discovery: DiscoveryService,
    private readonly scanner: MetadataScanner,
    private readonly reflector: Reflector,
  ) {}

  onModuleInit(): void {
    for (const { instance, metatype } of this.discovery.getControllers()) {
      if (typeof metatype !== 'function') continue;
      const prefixes = pathsOf(this.reflector.get<unknown>(PATH_METADATA, metatype));
      const prototype: unknown = Object.getPrototypeOf(instance ?? metatype.prototype);
      this.explore(prototype as object, prefixes);
    }
  }

  private explore(prototype: object, prefixes: readonly string[]): void {
    for (const name of this.scanner.getAllMethodNames(prototype)) {
      const handler: unknown = Reflect.get(prototype, name);
      if (typeof handler !== 'function') continue;
      const path = this.reflector.get<unknown>(PATH_METADATA, handler);
      const method = this.reflector.get<RequestMethod | undefined>(METHOD_METADATA, handler);
      if (path === undefined || method === undefined) continue;
      const audited = this.reflector.get<AuditedRoute | undefined>(AUDITED, handler);
      for (const prefix of prefixes) {
        for (const part of pathsOf(path)) {
          this.table.add(RequestMethod[method], join(prefix, part), audited);
        }
      }
    }
  }
}

function pathsOf(metadata: unknown): string[] {
  return (Array.isArray(metadata) ? metadata : [metadata]).map((path) =>
    typeof path === 'string' ? path : '',
  );
}

function join(...parts: string[]): string {
  const segments = parts.flatMap((part) => part.split('/')).filter((segment) => segment !== '');
  return `/${segments.join('/')}`;
}
