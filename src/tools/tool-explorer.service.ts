import { Injectable, type OnModuleInit } from '@nestjs/common';
import { DiscoveryService, MetadataScanner, Reflector } from '@nestjs/core';
import { ToolRegistry } from './tool-registry.js';
import { TOOL_OPTIONS } from './tool.decorator.js';
import type { ToolOptions } from './tool.js';

type Provider = ReturnType<DiscoveryService['getProviders']>[number];

/**
 * Finds the methods with `@Tool` in all modules of the application.
 * In `onModuleInit`, because runs are claimed from `onApplicationBootstrap` on: Nest calls that hook only after
 * `onModuleInit` of every module, so no run meets half a list.
 */
@Injectable()
export class ToolExplorerService implements OnModuleInit {
  constructor(
    private readonly discovery: DiscoveryService,
    private readonly scanner: MetadataScanner,
    private readonly reflector: Reflector,
    private readonly registry: ToolRegistry,
  ) {}

  onModuleInit(): void {
    const seen = new Set<object>();
    for (const provider of [...this.discovery.getControllers(), ...this.discovery.getProviders()]) {
      const instance: unknown = provider.instance;
      // One object may stand behind several tokens (useExisting).
      if (typeof instance !== 'object' || instance === null || seen.has(instance)) continue;
      seen.add(instance);
      this.explore(instance, provider);
    }
  }

  private explore(instance: object, provider: Provider): void {
    for (const name of this.scanner.getAllMethodNames(Object.getPrototypeOf(instance) as object | null)) {
      const method: unknown = Reflect.get(instance, name);
      if (typeof method !== 'function') continue;
      const options = this.reflector.get<ToolOptions | undefined>(TOOL_OPTIONS, method);
      if (options === undefined) continue;
      const place = `${instance.constructor.name}.${name} in ${provider.host?.name ?? 'an unknown module'}`;
      requireSingleton(provider, options.name, place);
      this.registry.register(
        {
          options,
          call: async (args, context) => Reflect.apply(method, instance, [args, context]) as unknown,
        },
        place,
      );
    }
  }
}

function requireSingleton(provider: Provider, tool: string, place: string): void {
  if (provider.isDependencyTreeStatic() && !provider.isTransient) return;
  throw new Error(
    `The tool "${tool}" of ${place} is in a class made for each request. A run has no request: make it a singleton.`,
  );
}
