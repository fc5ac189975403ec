#!/usr/bin/env node
import { AgentlineError } from '../client/agentline-client.js';
import { type Command, HELP, readArguments, UsageError } from './arguments.js';
import { Chat } from './chat.js';
import { cliSettings } from './cli.config.js';
import { Interrupts } from './interrupts.js';
import { type Keyboard, PipedKeyboard, TerminalKeyboard } from './keyboard.js';
import { plainText } from './plain-text.js';
import { NotSignedIn, signIn } from './sign-in.js';
import { Left, tail } from './tail.js';

/** Exit codes: what was asked for was done · it was not · the command line · Ctrl-C, as shells have it (128 + 2). */
const EXIT = { done: 0, failed: 1, usage: 2, interrupted: 130 };

const interrupts = new Interrupts(process);
interrupts.mean(() => process.exit(EXIT.interrupted));
// Whoever reads the output has gone (`agentline tail … | head`).
process.stdout.on('error', () => process.exit(EXIT.failed));
process.exitCode = await main().catch(explain);

async function main(): Promise<number> {
  const command = readArguments(process.argv.slice(2));
  if (command.name === 'help') {
    process.stdout.write(HELP);
    return EXIT.done;
  }
  const keyboard = openKeyboard();
  try {
    return (await run(command, keyboard)) ? EXIT.done : EXIT.failed;
  } finally {
    keyboard.close();
  }
}

async function run(command: Exclude<Command, { name: 'help' }>, keyboard: Keyboard): Promise<boolean> {
  const { token, url } = cliSettings();
  const address = serverAt(command.url ?? url);
  const client = await signIn({ url: address, token, transport: command.transport }, keyboard);
  const screen = {
    write: (text: string) => process.stdout.write(text),
    isPerson: process.stdout.isTTY,
  };
  return command.name === 'tail'
    ? tail(client, command, { screen, interrupts })
    : new Chat(client, command, { screen, keyboard, interrupts }).run();
}

function openKeyboard(): Keyboard {
  const streams = { input: process.stdin, output: process.stderr };
  return process.stdin.isTTY
    ? new TerminalKeyboard(streams, interrupts.interrupt)
    : new PipedKeyboard(streams);
}

function serverAt(text: string): string {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol))
    throw new UsageError('The address of the server is not valid.');
  if (url.username !== '' || url.password !== '') {
    throw new UsageError('The address of the server holds no credentials: put a token into AGENTLINE_TOKEN.');
  }
  return url.origin;
}

function explain(error: unknown): number {
  if (error instanceof UsageError) {
    process.stderr.write(`${error.message}\n\n${HELP}`);
    return EXIT.usage;
  }
  const known = error instanceof Left || error instanceof NotSignedIn || error instanceof AgentlineError;
  const text =
    error instanceof Error ? (known ? error.message : (error.stack ?? error.message)) : String(error);
  process.stderr.write(`${plainText(text)}\n`);
  return error instanceof Left ? EXIT.interrupted : EXIT.failed;
}
