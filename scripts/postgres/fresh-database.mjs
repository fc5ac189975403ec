import process from 'node:process';
import { Client } from 'pg';

/** Runs before each spec file: a database that no other spec has touched, on the server of `with-postgres.mjs`. */
const address = new URL(process.env.TEST_DATABASE_URL);
const name = `spec_${process.env.JEST_WORKER_ID}_${Date.now()}_${Math.floor(Math.random() * 1e6)}`;
const client = new Client({ connectionString: address.href });
await client.connect();
await client.query(`create database ${name}`);
await client.end();
address.pathname = `/${name}`;
process.env.TEST_DATABASE_URL = address.href;
process.env.DATABASE_URL = address.href;
