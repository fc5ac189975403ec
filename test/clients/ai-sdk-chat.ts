import * as ai5 from 'ai5';
import * as ai6 from 'ai6';
import * as ai7 from 'ai7';
import { until } from '../support/until.js';

/** What of a message is compared: the versions have other fields beside. */
export interface ChatPart {
  type: string;
  text?: string;
  toolCallId?: string;
  state?: string;
  input?: unknown;
  output?: unknown;
  errorText?: string;
  approval?: { id: string; approved?: boolean };
  id?: string;
  data?: Record<string, unknown>;
}

export interface ChatMessage {
  id: string;
  role: string;
  parts: ChatPart[];
}

interface Options {
  headers?: Record<string, string>;
  body?: object;
}

/** What `useChat` hands to a component, in the words that the three versions have in common. */
export interface PageChat {
  readonly id: string;
  status: string;
  error: Error | undefined;
  messages: ChatMessage[];
  sendMessage(message?: object, options?: Options): Promise<void>;
  regenerate(options?: { messageId?: string } & Options): Promise<void>;
  stop(): Promise<void>;
  resumeStream(options?: Options): Promise<void>;
  addToolApprovalResponse(answer: { id: string; approved: boolean; reason?: string }): Promise<void>;
}

interface ChatSettings {
  id: string;
  api: string;
  headers: Record<string, string>;
  body?: object;
  /** What the page has stored. */
  messages?: ChatMessage[];
}

interface Package {
  AbstractChat: new (init: object) => PageChat;
  DefaultChatTransport: new (options: object) => object;
  lastAssistantMessageIsCompleteWithApprovalResponses?: unknown;
}

const PACKAGES = { '5': ai5, '6': ai6, '7': ai7 } as unknown as Record<string, Package>;

/** The state of a page without a framework: React's and Vue's do the same and tell their components. */
class PageState {
  status = 'ready';
  error: Error | undefined;

  constructor(public messages: ChatMessage[]) {}

  pushMessage = (message: ChatMessage): void => {
    this.messages = [...this.messages, message];
  };

  popMessage = (): void => {
    this.messages = this.messages.slice(0, -1);
  };

  replaceMessage = (index: number, message: ChatMessage): void => {
    this.messages = this.messages.with(index, this.snapshot(message));
  };

  snapshot = <T>(value: T): T => structuredClone(value);
}

/** A page that has just been opened, with the package of that major version as it is published. */
export function openPage(version: string, { api, headers, body, messages = [], id }: ChatSettings): PageChat {
  const sdk = PACKAGES[version]!;
  class Page extends sdk.AbstractChat {}
  return new Page({
    id,
    state: new PageState(structuredClone(messages)),
    transport: new sdk.DefaultChatTransport({ api, headers, body }),
    sendAutomaticallyWhen: sdk.lastAssistantMessageIsCompleteWithApprovalResponses,
  });
}

/** The answer that is shown last: its parts without the marks between steps. */
export function shown(chat: PageChat): ChatPart[] {
  const last = chat.messages.at(-1);
  return last?.role === 'assistant' ? last.parts.filter(({ type }) => type !== 'step-start') : [];
}

export function textOf(chat: PageChat): string {
  return shown(chat)
    .flatMap(({ type, text = '' }) => (type === 'text' ? [text] : []))
    .join('');
}

export function isIdle(chat: PageChat): Promise<true> {
  return until('the page to be idle', async () =>
    ['ready', 'error'].includes(chat.status) ? true : undefined,
  );
}
