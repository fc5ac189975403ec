import type { Descriptor } from './candidate.ts';

const ID = /(?:^|\n)id: ([^\n]*)/g;

/**
 * Lets through only whole events, as a client of server-sent events acts on them, and knows the last id: what a
 * viewer that is cut in the middle of an event has not seen, it must be sent again.
 */
export class EventReader {
  lastEventId: string | undefined;
  hasLastEvent = false;
  readonly problems: string[] = [];
  private readonly descriptor: Descriptor;
  private rest = '';

  constructor(descriptor: Descriptor) {
    this.descriptor = descriptor;
  }

  take(part: string): string {
    const text = this.rest + part;
    const end = text.lastIndexOf('\n\n');
    if (end < 0) {
      this.rest = text;
      return '';
    }
    const whole = text.slice(0, end + 2);
    this.rest = text.slice(end + 2);
    for (const [, id = ''] of whole.matchAll(ID)) this.sawId(id);
    const { lastEvent, ignoredEvent } = this.descriptor;
    if (lastEvent !== undefined && whole.includes(lastEvent)) this.hasLastEvent = true;
    if (ignoredEvent === undefined || !whole.includes(ignoredEvent)) return whole;
    return whole
      .split('\n\n')
      .filter((event) => !event.includes(ignoredEvent))
      .join('\n\n');
  }

  cut(): void {
    this.rest = '';
  }

  private sawId(id: string): void {
    const { sequence } = this.descriptor;
    if (sequence !== undefined) {
      const before = this.lastEventId === undefined ? 0 : sequence(this.lastEventId);
      if (sequence(id) !== before + 1 && this.problems.length < 5) {
        this.problems.push(`event ${id} came after ${this.lastEventId ?? 'nothing'}`);
      }
    }
    this.lastEventId = id;
  }
}
