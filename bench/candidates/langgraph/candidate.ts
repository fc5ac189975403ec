import { startServer } from '@langchain/langgraph-api/server';
import process from 'node:process';

/** Runs at a time. Its command line takes 10, so that more than 10 runs would wait for each other. */
const WORKERS = 256;

/** The server that its command line starts, without the command line: in memory, written to a file now and then. */
await startServer({
  port: Number(process.env['PORT']),
  host: '127.0.0.1',
  nWorkers: WORKERS,
  cwd: process.cwd(),
  graphs: { bench: `${process.env['GRAPH']}:graph` },
});
