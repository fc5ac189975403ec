import { setTimeout as wait } from 'node:timers/promises';
import { Client } from 'pg';
import { newId } from '../ids.js';
import { type HearNotice, Notices, type NoticeTopic } from '../notices.js';
import { connectionOptions } from './postgres-pool.js';

const CHANNEL = 'agentline';
/** A payload holds less than 8,000 bytes (https://www.postgresql.org/docs/current/sql-notify.html). */
const IDS_A_NOTICE = 200;
/** The listening connection is asked this often whether it still is one, in milliseconds. */
const PROBE_MS = 3_000;
/** Between two statements, in milliseconds: what is to be told meanwhile is told together. */
const PAUSE_MS = 5;
const RECONNECT_MS = { first: 100, most: 2_000 };

interface Notice {
  from: string;
  topic: NoticeTopic;
  ids: string[];
}

/** Sends one statement on any connection of the database. */
export type SendStatement = (channel: string, payloads: string[]) => Promise<unknown>;

/**
 * LISTEN/NOTIFY. What is sent within one turn of the event loop, or a few milliseconds after the last notice, is one
 * statement. One connection listens; when it breaks it is made anew, and everybody is told to look.
 */
export class PostgresNotices extends Notices {
  override isLive = false;
  private readonly from = newId('node');
  private readonly listeners = new Map<NoticeTopic, Set<HearNotice>>();
  private readonly waiting = new Map<NoticeTopic, Set<string>>();
  private isSending = false;
  private client: Client | undefined;
  private timer: NodeJS.Timeout | undefined;
  private delayMs = RECONNECT_MS.first;
  private isClosed = false;

  constructor(
    private readonly address: string,
    private readonly statement: SendStatement,
  ) {
    super();
  }

  override send(topic: NoticeTopic, id: string): void {
    const ids = this.waiting.get(topic) ?? new Set();
    this.waiting.set(topic, ids.add(id));
    if (this.isSending) return;
    this.isSending = true;
    setImmediate(() => void this.sendAll());
  }

  override listen(topic: NoticeTopic, hear: HearNotice): () => void {
    const listeners = this.listeners.get(topic) ?? new Set();
    this.listeners.set(topic, listeners.add(hear));
    return () => listeners.delete(hear);
  }

  /** Begins to hear; goes on by itself when the database is away. */
  async open(): Promise<void> {
    const client = new Client(connectionOptions(this.address));
    this.client = client;
    client.on('error', () => this.lose(client));
    client.on('end', () => this.lose(client));
    client.on('notification', ({ payload }) => this.hear(payload ?? ''));
    try {
      await client.connect();
      await client.query(`listen ${CHANNEL}`);
    } catch {
      this.lose(client);
      return;
    }
    if (this.client !== client) return;
    this.isLive = true;
    this.delayMs = RECONNECT_MS.first;
    this.tellAll();
    this.timer = setInterval(() => void client.query('select 1').catch(() => this.lose(client)), PROBE_MS);
    this.timer.unref();
  }

  async close(): Promise<void> {
    this.isClosed = true;
    clearInterval(this.timer);
    const client = this.client;
    this.client = undefined;
    await client?.end().catch(() => undefined);
  }

  private async sendAll(): Promise<void> {
    while (this.waiting.size > 0 && !this.isClosed) {
      const payloads = [...this.waiting].flatMap(([topic, ids]) => this.payloads(topic, [...ids]));
      this.waiting.clear();
      try {
        await this.statement(CHANNEL, payloads);
      } catch {
        // Others look by themselves too; a notice is not worth waiting for a database that is away.
      }
      await wait(PAUSE_MS);
    }
    this.isSending = false;
  }

  private payloads(topic: NoticeTopic, ids: string[]): string[] {
    const payloads: string[] = [];
    for (let at = 0; at < ids.length; at += IDS_A_NOTICE) {
      const notice: Notice = { from: this.from, topic, ids: ids.slice(at, at + IDS_A_NOTICE) };
      payloads.push(JSON.stringify(notice));
    }
    return payloads;
  }

  private hear(payload: string): void {
    const notice = parseNotice(payload);
    if (notice === undefined || notice.from === this.from) return;
    for (const hear of this.listeners.get(notice.topic) ?? []) hear(notice.ids);
  }

  private tellAll(): void {
    for (const listeners of this.listeners.values()) for (const hear of listeners) hear('unknown');
  }

  private lose(client: Client): void {
    if (this.client !== client) return;
    this.client = undefined;
    this.isLive = false;
    clearInterval(this.timer);
    // Ends also a connection on which nothing arrives any more; its own end is of no interest.
    client.removeAllListeners();
    client.on('error', () => undefined);
    client.end().catch(() => undefined);
    if (this.isClosed) return;
    this.timer = setTimeout(() => void this.open(), this.delayMs * (0.5 + Math.random() / 2));
    this.timer.unref();
    this.delayMs = Math.min(this.delayMs * 2, RECONNECT_MS.most);
  }
}

/** Anybody with access to the database can send on the channel: what is not a notice is passed over. */
function parseNotice(payload: string): Notice | undefined {
  try {
    const notice = JSON.parse(payload) as Partial<Notice> | null;
    const { from, topic, ids } = notice ?? {};
    if (typeof from !== 'string' || typeof topic !== 'string' || !Array.isArray(ids)) return undefined;
    return { from, topic, ids };
  } catch {
    return undefined;
  }
}
