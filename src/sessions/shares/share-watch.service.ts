import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import type { Owner } from '../../auth/principal.js';
import { EVERYBODY } from '../../database/shown-to.js';
import { AppError } from '../../errors/app-error.js';
import type { Session } from '../session.js';
import { ShareRepository } from './share.repository.js';

/** How often it is looked whether sessions are still shown to those who watch them, in milliseconds. */
const LOOK_MS = 2_000;

export interface ShownFor {
  /** Aborted with an AppError `not_found` once the session is not shown any more. */
  signal: AbortSignal;
  stop(): void;
}

interface Entry {
  viewer: Owner;
  /** The session, and the one that its sub-agent works for: either may be shown. */
  sessionIds: string[];
  end: AbortController;
}

/** Ends the views of those whom a session is not shown to any more: here at once, on other nodes at their next look. */
@Injectable()
export class ShareWatch implements OnApplicationShutdown {
  private readonly logger = new Logger('ShareWatch');
  private readonly entries = new Set<Entry>();
  private timer: NodeJS.Timeout | undefined;
  private asking: Promise<void> | undefined;

  constructor(private readonly shares: ShareRepository) {}

  /** Whoever calls it has seen that the session is shown to the viewer, and stops it in the end. */
  async watch(viewer: Owner, session: Session): Promise<ShownFor> {
    const sessionIds = [...new Set([session.id, await this.shares.rootOf(viewer, session)])];
    const entry: Entry = { viewer, sessionIds, end: new AbortController() };
    this.entries.add(entry);
    this.timer ??= setInterval(() => void (this.asking ??= this.lookOnce()), LOOK_MS).unref();
    return { signal: entry.end.signal, stop: () => this.forget(entry) };
  }

  /** Looks now; resolved when all who may not watch any more have been told. */
  async look(): Promise<void> {
    await this.asking;
    await (this.asking ??= this.lookOnce());
  }

  onApplicationShutdown(): void {
    clearInterval(this.timer);
    this.timer = undefined;
  }

  /** A database that does not answer ends nothing: whoever reads from it notices that. */
  private async lookOnce(): Promise<void> {
    try {
      const watched = [...this.entries];
      const sessionIds = new Set(watched.flatMap((entry) => entry.sessionIds));
      const shown = new Set((await this.shares.listAll([...sessionIds])).map(keyOf));
      for (const entry of watched) if (!isShown(entry, shown)) this.end(entry);
    } catch (error) {
      this.logger.warn({ err: error }, 'It could not be looked up whom sessions are shown to; trying again');
    } finally {
      this.asking = undefined;
    }
  }

  private end(entry: Entry): void {
    this.forget(entry);
    entry.end.abort(new AppError('not_found', 'There is no such session.'));
  }

  private forget(entry: Entry): void {
    this.entries.delete(entry);
    if (this.entries.size > 0) return;
    clearInterval(this.timer);
    this.timer = undefined;
  }
}

function isShown({ viewer, sessionIds }: Entry, shown: ReadonlySet<string>): boolean {
  const { tenantId } = viewer;
  return sessionIds.some((sessionId) =>
    [viewer.userId, EVERYBODY].some((userId) => shown.has(keyOf({ sessionId, tenantId, userId }))),
  );
}

function keyOf({ sessionId, tenantId, userId }: Owner & { sessionId: string }): string {
  return JSON.stringify([sessionId, tenantId, userId]);
}
