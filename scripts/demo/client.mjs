import { EventSourceParserStream } from 'eventsource-parser/stream';

/** A client of the server as anybody could write one: `fetch` and a parser for server-sent events. */
export class Client {
  constructor(url, signal) {
    this.url = url;
    this.signal = signal;
  }

  async signIn(email, password) {
    const answer = await this.call('POST', '/api/auth/token', { email, password });
    this.token = (await answer.json()).access_token;
  }

  /** Starts a run; its events as they arrive. */
  ask(content) {
    return this.stream('POST', '/api/agent/stream', { content });
  }

  /** The events of a session's latest run, from the first. */
  watch(sessionId) {
    return this.stream('GET', `/api/agent/stream?session_id=${sessionId}`);
  }

  async *stream(method, path, body) {
    const answer = await this.call(method, path, body);
    const events = answer.body
      .pipeThrough(new TextDecoderStream())
      .pipeThrough(new EventSourceParserStream());
    for await (const { event, id, data } of events) yield { event, id, data };
  }

  async call(method, path, body) {
    const answer = await fetch(this.url + path, {
      method,
      signal: this.signal,
      headers: {
        ...(this.token === undefined ? {} : { Authorization: `Bearer ${this.token}` }),
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (!answer.ok)
      throw new Error(`${method} ${path} was answered with ${answer.status}: ${await answer.text()}`);
    return answer;
  }
}
