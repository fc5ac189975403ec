export interface RedisOptions {
  appendonly?: 'yes' | 'no';
  appendfsync?: 'always' | 'everysec' | 'no';
  /** More arguments of the program. */
  settings?: string[];
}

export class RedisServer {
  static start(options?: RedisOptions): Promise<RedisServer>;
  readonly port: number;
  readonly folder: string;
  readonly url: string;
  readonly output: string;
  shutDown(): Promise<void>;
  crash(): Promise<void>;
  restart(how?: { empty?: boolean }): Promise<void>;
  pause(): void;
  resume(): void;
  stop(): Promise<void>;
}
