import { describe, expect, it } from '@jest/globals';
import { readArguments, UsageError } from './arguments.js';

describe('the command line', () => {
  it('has chat and tail, with what they take', () => {
    expect(readArguments(['chat'])).toEqual({
      name: 'chat',
      session: undefined,
      agent: undefined,
      url: undefined,
      transport: 'sse',
      lastEventId: undefined,
    });
    expect(readArguments(['chat', '--session', 'ses_1', '--last-event-id=run_1.1.2'])).toMatchObject({
      session: 'ses_1',
      lastEventId: 'run_1.1.2',
    });
    expect(
      readArguments(['tail', 'run_1', '--json', '--transport', 'websocket', '--url', 'http://a']),
    ).toEqual({
      name: 'tail',
      run: 'run_1',
      json: true,
      url: 'http://a',
      transport: 'websocket',
      lastEventId: undefined,
    });
  });

  it.each([[[]], [['help']], [['--help']], [['chat', '-h']]])('says what there is: %j', (args) => {
    expect(readArguments(args)).toEqual({ name: 'help' });
  });

  it.each([
    [['talk'], 'The commands are chat and tail.'],
    [['chat', 'hello'], 'The commands are chat and tail.'],
    [['tail'], 'tail takes the id of one run.'],
    [['tail', 'a', 'b'], 'tail takes the id of one run.'],
    [['chat', '--transport', 'pigeon'], '--transport takes sse or websocket.'],
    [['chat', '--last-event-id', 'run_1.1.2'], '--last-event-id needs the --session that it is of.'],
    [['chat', '--session'], '--session is not known here, or lacks its value.'],
  ])('refuses %j', (args, message) => {
    expect(() => readArguments(args)).toThrow(new UsageError(message));
  });

  it.each([['--token=s3cret'], ['--password=s3cret'], ['-p=s3cret']])(
    'takes no secrets, and does not repeat them: %s',
    (arg) => {
      expect(() => readArguments(['chat', arg])).toThrow(/^--?[a-z]+ is not known here/);
      expect(() => readArguments(['chat', arg])).not.toThrow(/s3cret/);
    },
  );
});
