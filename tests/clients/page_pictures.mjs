// The pictures of the README and of docs. They want a server with `--store none --history-entries 60`.

import { channelOf, context, hears, join, numbered, person, say, sayLines, state, tab } from './people.mjs';

export async function pictures(file) {
  const look = { viewport: { width: 1200, height: 760 }, colorScheme: 'light', locale: 'en-GB', timezoneId: 'Europe/Berlin' };
  const [ann, bob, eve] = [await person('Ann', 'allotment', look), await person('Bob', 'allotment'), await person('Eve', 'allotment', { ...look, viewport: { width: 1000, height: 560 } })];
  for (const name of ['seed swap', 'bees', 'harvest supper']) {
    await ann.fill('#channel', name);
    await ann.press('#channel', 'Enter');
  }
  await channelOf(ann, 'allotment').click();
  const talk = [
    [bob, 'Morning all. The water is back on at the lower plots.'],
    [eve, 'Wonderful, thank you!'],
    [eve, 'Has anyone got a spare fork? Mine gave up on the clay by the fence.'],
    [ann, 'There are two in the shed, behind the wheelbarrow.'],
    [bob, 'And if you dig there, mind the old pipe: it runs about a spade deep along the whole hedge.'],
    [eve, 'Good to know. I will start from the other end then.'],
    [ann, 'I am there from four, I can give you a hand with it.'],
  ];
  for (const [page, text] of talk) {
    await say(page, text);
    await Promise.all([ann, bob, eve].map((each) => hears(each, text)));
  }
  await eve.fill('#channel', 'bees');
  await eve.press('#channel', 'Enter');
  for (const text of ['First swarm of the year, in the plum tree.', 'It has settled in the empty hive.', 'Come and look!']) await say(eve, text);
  await channelOf(ann, 'bees').locator('.unread').getByText('3').waitFor();
  await bob.locator('#text').pressSequentially('On my way');
  await ann.locator('#typing').getByText('Bob is typing…').waitFor();
  await ann.mouse.move(900, 300);
  await ann.locator('#text').focus();
  await ann.screenshot({ path: file });
  const named = (what) => file.replace('.png', `-${what}.png`);
  await pictureOffline(named('offline'), eve);
  await pictureOfMany(named('125'), bob);
  for (const page of [bob, eve]) await channelOf(page, 'allotment').click();
  const phone = await person('Fay', 'allotment', { ...look, viewport: { width: 375, height: 667 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2 });
  await pictureOfPhone(named('phone'), phone, bob);
  await pictureOfGap(named('gap'), ann, bob);
}

// What is missing after a while away.
async function pictureOfGap(file, ann, bob) {
  for (const page of [ann, bob]) {
    await page.fill('#channel', 'weather');
    await page.press('#channel', 'Enter');
  }
  await sayLines(ann, 'weather', numbered(60, 'Day'));
  await ann.evaluate(() => {
    abandon();
    setState('waiting', '');
  });
  await sayLines(bob, 'weather', numbered(72, 'Hour'));
  await ann.evaluate(() => connect());
  await ann.locator('.notice').getByText('You missed 12 messages').waitFor();
  await say(bob, 'Where have you been?');
  await hears(ann, 'Where have you been?');
  await ann.locator('ol:not([hidden]) .notice').evaluate((notice) => notice.scrollIntoView({ block: 'center' }));
  await ann.locator('#text').focus();
  await ann.screenshot({ path: file });
}

// A phone with its keyboard open.
async function pictureOfPhone(file, ann, bob) {
  await ann.setViewportSize({ width: 375, height: 340 });
  await say(bob, 'Bring the big basket, there are plums.');
  await hears(ann, 'Bring the big basket, there are plums.');
  await ann.locator('#text').pressSequentially('On my way!');
  await ann.screenshot({ path: file });
}

// What was written waits for the connection.
async function pictureOffline(file, ann) {
  await join(ann, 'allotment');
  await ann.context().setOffline(true);
  await ann.locator('#state').getByText('You are offline').waitFor();
  await say(ann, 'I am in the tunnel, back in ten minutes.');
  await ann.locator('.pending').waitFor();
  await ann.screenshot({ path: file });
  await ann.context().setOffline(false);
  await state(ann, 'open');
}

// As many channels as one session may be in, and a few.
async function pictureOfMany(file, bob) {
  const rooms = Array.from({ length: 125 }, (_, n) => (n === 0 ? 'allotment' : `plot ${n}`));
  for (const room of ['plot 3', 'plot 7', 'plot 40', 'plot 90', 'plot 91']) {
    await join(bob, room);
    await say(bob, 'Somebody here?');
    await hears(bob, 'Somebody here?');
  }
  const own = await context({ viewport: { width: 1000, height: 640 }, colorScheme: 'light', locale: 'en-GB', timezoneId: 'Europe/Berlin' });
  await own.addInitScript((rooms) => {
    localStorage.setItem('chat.name', '"Dan"');
    localStorage.setItem('chat.channels', JSON.stringify(rooms));
  }, rooms);
  const dan = await tab(own, 'allotment');
  await dan.waitForFunction(() => channels.size === 125 && [...channels.values()].every(({ gaps, epoch }) => epoch && ![...gaps].some(({ fresh }) => fresh)));
  await dan.locator('#after').getByText('unread').waitFor();
  await dan.screenshot({ path: file });
}
