import { type LogStore, StoredEventLog, type StoredLogOptions } from 'agentline/event-log';
import { FileLogStore } from './file-log-store.js';

/** How soon a reader sees what was written through another instance on the same store, in milliseconds. */
const LOOK_MS = 50;

/** The log on files of this machine, for one process. */
export class FileEventLog extends StoredEventLog {
  private readonly folder: string;

  constructor(folder: string, options: StoredLogOptions = {}, store: LogStore = new FileLogStore(folder)) {
    super(store, options);
    this.folder = folder;
  }

  override describe(): string {
    return `files in ${this.folder}`;
  }

  protected override lookAgainMs(): number {
    return LOOK_MS;
  }
}
