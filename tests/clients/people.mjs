// People on the server's page, in Chromium, and the server, which some cases restart.

import { spawn } from 'node:child_process';
import { connect, createServer } from 'node:net';
import { parseArgs } from 'node:util';
import { launch } from './sockets.mjs';

export const WAIT_MS = 20_000;

export const { values } = parseArgs({ options: { server: { type: 'string' }, screenshot: { type: 'string' }, only: { type: 'string' } } });
if (!values.server) {
  console.error('usage: page.mjs --server "COMMAND with {port}" [--only PART OF A SENTENCE] [--screenshot FILE]');
  process.exit(2);
}

// ---- the server ----

export const port = await freePort();
export const base = `http://127.0.0.1:${port}/`;
let server;
await start();

function freePort() {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

export async function start() {
  server = await run(port);
}

/// Another server, with these flags besides.
export async function another(...flags) {
  const port = await freePort();
  const child = await run(port, flags);
  closers.push(() => ended(child));
  return `http://127.0.0.1:${port}/`;
}

async function run(port, flags = []) {
  const [command, ...rest] = values.server.replaceAll('{port}', port).split(' ');
  const child = spawn(command, [...rest, ...flags], { stdio: 'ignore' });
  const failed = new Promise((_, reject) => {
    child.on('error', reject);
    child.on('exit', () => reject(new Error('the server ended')));
  });
  failed.catch(() => {});
  const healthy = async () => {
    while (!(await fetch(`http://127.0.0.1:${port}/health`).catch(() => null))?.ok) await new Promise((next) => setTimeout(next, 20));
  };
  await Promise.race([healthy(), failed]);
  return child;
}

export const stop = (signal) => ended(server, signal);

async function ended(child, signal = 'SIGKILL') {
  const over = new Promise((resolve) => child.on('exit', resolve));
  child.kill(signal);
  await over;
}

// ---- people ----

export const browser = await launch();
const contexts = [];
export const closers = [];

export async function context(options = {}) {
  const made = await browser.newContext({ permissions: ['local-network-access'], ...options });
  contexts.push(made);
  return made;
}

export async function everybodyGoes() {
  for (const each of contexts.splice(0)) await each.close();
  for (const close of closers.splice(0)) await close();
}

export const tab = (own, channel, at = base) => visit(own, `${at}#${encodeURIComponent(channel)}`);

export async function visit(own, address) {
  const page = await own.newPage();
  page.setDefaultTimeout(WAIT_MS);
  page.dialogs = 0;
  page.on('dialog', (dialog) => { page.dialogs += 1; dialog.dismiss(); });
  page.errors = [];
  page.on('pageerror', (error) => page.errors.push(String(error)));
  await page.goto(address);
  return page;
}

export async function person(name, channel, { at = base, ...options } = {}) {
  const page = await tab(await context(options), channel, at);
  await page.fill('#name', name);
  await page.click('#start');
  await state(page, 'open');
  return page;
}

export const state = (page, wanted) => page.waitForFunction((wanted) => document.body.dataset.state === wanted, wanted);
export const hears = (page, text) => page.locator('ol:not([hidden]) .message[data-offset] .content').getByText(text, { exact: true }).waitFor();
export const count = (page, text) => page.locator('.message .content').getByText(text, { exact: true }).count();
export const channelOf = (page, name) => page.locator(`[data-channel=${JSON.stringify(name)}]`);

export async function say(page, text) {
  await page.fill('#text', text);
  await page.press('#text', 'Enter');
}

export function equal(got, wanted, what) {
  if (got !== wanted) throw new Error(`${what}: expected ${wanted}, got ${got}`);
}

export async function join(page, channel) {
  await page.fill('#channel', channel);
  await page.press('#channel', 'Enter');
}

export const texts = async (page) => (await page.locator('ol:not([hidden]) .message .content').allTextContents()).join();

/// Says as many lines as there are, and waits until the last is heard.
export async function sayLines(page, channel, lines) {
  await page.evaluate(([channel, lines]) => { for (const content of lines) transmit({ type: 'publish', channelId: channel, content }); }, [channel, lines]);
  await hears(page, lines.at(-1));
}

export const numbered = (count, word = 'line') => Array.from({ length: count }, (_, n) => `${word} ${n + 1}`);

/// A line to the server that can go deaf, and be cut.
export async function line() {
  const pairs = new Set();
  const state = { deaf: false, dead: false };
  const server = createServer((client) => {
    const upstream = connect(port, '127.0.0.1');
    const pair = [client, upstream];
    pairs.add(pair);
    client.on('data', (data) => state.dead || upstream.write(data));
    upstream.on('data', (data) => state.deaf || state.dead || client.write(data));
    for (const [one, other] of [pair, [upstream, client]]) {
      one.on('error', () => {});
      one.on('close', () => {
        other.destroy();
        pairs.delete(pair);
      });
    }
  });
  state.cut = () => pairs.forEach((pair) => pair.forEach((socket) => socket.destroy()));
  closers.push(() => {
    state.cut();
    server.close();
  });
  await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
  state.at = `http://127.0.0.1:${server.address().port}/`;
  return state;
}
