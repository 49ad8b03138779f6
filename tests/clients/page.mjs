#!/usr/bin/env node
// Uses the server's page as people do, in Chromium.
//
//     node page.mjs --server "chat-server --listen 127.0.0.1:{port}" [--only PART] [--screenshot FILE]
//
// One line for each case that fails, then `N passed, N failed`. Exits with 1 if a case failed.

import { browser, everybodyGoes, stop, values } from './people.mjs';
import { pictures } from './page_pictures.mjs';
import { away } from './page_away.mjs';
import { life } from './page_life.mjs';
import { lived } from './page_lived.mjs';
import { tabs } from './page_tabs.mjs';
import { talk } from './page_talk.mjs';
import { who } from './page_who.mjs';

const cases = { ...talk, ...away, ...life, ...lived, ...tabs, ...who };
const wanted = Object.entries(cases).filter(([sentence]) => sentence.includes(values.only ?? ''));
let failed = 0;
try {
  for (const [sentence, run] of wanted) {
    try {
      await run();
    } catch (error) {
      failed += 1;
      console.log(`${sentence}: ${error.message.split('\n')[0]}`);
    }
    await everybodyGoes();
  }
  if (values.screenshot) await pictures(values.screenshot);
} finally {
  await browser.close();
  await stop();
}
console.log(`${wanted.length - failed} passed, ${failed} failed`);
process.exitCode = failed ? 1 : 0;
