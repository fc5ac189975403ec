export interface PostgresOptions {
  /** What was acknowledged survives a kill and a power failure; without it tests are faster. */
  durable?: boolean;
  /** Settings as `name=value`, stronger than those of the server. */
  settings?: string[];
  /** Empty folders on other disks for the data and for the write-ahead log; they are not removed. */
  dataFolder?: string;
  walFolder?: string;
}

export class PostgresServer {
  static start(options?: PostgresOptions): Promise<PostgresServer>;
  readonly port: number;
  readonly folder: string;
  readonly url: string;
  readonly output: string;
  readonly isRunning: boolean;
  shutDown(): Promise<void>;
  crash(): Promise<void>;
  restart(): Promise<void>;
  pause(): void;
  resume(): void;
  stop(): Promise<void>;
}
