import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { DiscoveryService, MetadataScanner, Reflector } from '@nestjs/core';
import { EventLog } from '../../event-log/event-log.js';
import { placeEvents } from '../../event-log/placed-event.js';
import type { PlacedRunEvent, RunEventType } from '../../event-log/run-event.js';
import type { Run } from '../run.js';
import { type ListenedRun, RUN_EVENT_TYPES } from '../on-run-event.decorator.js';

interface Listener {
  place: string;
  types: ReadonlySet<RunEventType>;
  hear(event: PlacedRunEvent, run: ListenedRun): unknown;
}

/** Finds the methods with `@OnRunEvent` and lets each follow the runs of this process. */
@Injectable()
export class RunListeners implements OnModuleInit {
  private readonly logger = new Logger('OnRunEvent');
  private readonly listeners: Listener[] = [];
  private readonly never = new AbortController().signal;

  constructor(
    private readonly discovery: DiscoveryService,
    private readonly scanner: MetadataScanner,
    private readonly reflector: Reflector,
    private readonly log: EventLog,
  ) {}

  onModuleInit(): void {
    const providers = [...this.discovery.getProviders(), ...this.discovery.getControllers()];
    // One object may stand behind several tokens (useExisting).
    for (const instance of new Set(providers.map((provider): unknown => provider.instance))) {
      if (typeof instance === 'object' && instance !== null) this.explore(instance);
    }
  }

  /** Tells listeners what this attempt of the run says after `after`, until it or the run is over, or waits. */
  attach(run: Run, after: number): void {
    for (const listener of this.listeners) {
      // Who hears the end alone need not read all that comes before it.
      if (!hearsTheEndAlone(listener)) this.read(listener, run, after);
    }
  }

  /** Tells those who hear the end of runs alone that this one is over. */
  attachToEnd(run: Run, last: number): void {
    for (const listener of this.listeners.filter(hearsTheEndAlone)) this.read(listener, run, last - 1);
  }

  private read(listener: Listener, run: Run, after: number): void {
    this.follow(listener, run, after).catch((error: unknown) =>
      this.logger.error({ err: error, run_id: run.id }, `${listener.place} lost the run's log`),
    );
  }

  private explore(instance: object): void {
    for (const name of this.scanner.getAllMethodNames(Object.getPrototypeOf(instance) as object | null)) {
      const method: unknown = Reflect.get(instance, name);
      if (typeof method !== 'function') continue;
      const types = this.reflector.get<RunEventType[] | undefined>(RUN_EVENT_TYPES, method);
      if (types === undefined) continue;
      this.listeners.push({
        place: `${instance.constructor.name}.${name}`,
        types: new Set(types),
        hear: (event, run) => Reflect.apply(method, instance, [event, run]) as unknown,
      });
    }
  }

  private async follow(listener: Listener, run: Run, after: number): Promise<void> {
    // From the event before on: should that be the run's last already, there is nothing to wait for.
    for await (const pages of this.log.follow(run.id, Math.max(0, after - 1), this.never)) {
      for (const event of placeEvents(pages)) {
        if (event.seq <= after) continue;
        if (event.attempt !== run.attempt) return;
        if (listener.types.has(event.type)) await this.tell(listener, event, run);
        if (event.type === 'run' && event.data.status === 'waiting') return;
      }
    }
  }

  private async tell(listener: Listener, event: PlacedRunEvent, run: Run): Promise<void> {
    try {
      await listener.hear(event, run);
    } catch (error) {
      this.logger.error({ err: error, run_id: run.id, event_id: event.id }, `${listener.place} failed`);
    }
  }
}

function hearsTheEndAlone({ types }: Listener): boolean {
  return types.size === 1 && types.has('done');
}
