// Two browsers on the pages of two servers that are one chat.
//
//     node two_pages.mjs http://127.0.0.1:8080/ http://127.0.0.1:8081/
//
// Both read the same lines in the same order, and see each other. Prints `1 passed, 0 failed`.

import assert from 'node:assert/strict';
import { launch } from './sockets.mjs';

const bases = process.argv.slice(2);
const WAIT_MS = 20_000;
const ROOM = `pages-${Date.now()}`;

const browser = await launch();

async function person(base, name) {
  // A context each: they share nothing, as two browsers do.
  const page = await (await browser.newContext()).newPage();
  page.setDefaultTimeout(WAIT_MS);
  await page.goto(`${base}#${ROOM}`);
  await page.fill('#name', name);
  await page.click('#start');
  await page.waitForFunction(() => document.body.dataset.state === 'open');
  return page;
}

const people = [await person(bases[0], 'ann'), await person(bases[1], 'bob')];

async function say(page, text) {
  await page.fill('#text', text);
  await page.press('#text', 'Enter');
}

const lines = (page) => page.locator('ol:not([hidden]) .message[data-offset] .content').allTextContents();

// Both say something at the same moment, again and again.
for (let n = 1; n <= 5; n += 1) await Promise.all(people.map((page, who) => say(page, `${who} says ${n}`)));
for (const page of people) {
  await page.waitForFunction(() => document.querySelectorAll('ol:not([hidden]) .message[data-offset]').length === 10);
  for (const name of ['ann', 'bob']) await page.locator('#here').getByText(name).first().waitFor();
}
assert.deepEqual(await lines(people[0]), await lines(people[1]), 'one order');
await browser.close();
console.log('1 passed, 0 failed');
