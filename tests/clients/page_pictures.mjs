// The pictures of the README and of docs. They want a server with a store and `--history-entries 10`.

import { channelOf, context, hears, join, line, numbered, person, say, state, tab } from './people.mjs';

export async function pictures(file) {
  const look = { viewport: { width: 1200, height: 760 }, colorScheme: 'light', locale: 'en-GB', timezoneId: 'Europe/Berlin' };
  const [ann, bob, eve] = [await person('Ann', 'allotment', look), await person('Bob', 'allotment'), await person('Eve', 'allotment')];
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
  await pictureOfGap(file.replace('.png', '-gap.png'), ann, bob);
}

// Older messages that were loaded, and what is missing after a while away. Wants a server with `--history-entries 10` and a store.
async function pictureOfGap(file, ann, bob) {
  for (const page of [ann, bob]) {
    await page.fill('#channel', 'weather');
    await page.press('#channel', 'Enter');
  }
  await ann.evaluate(() => { for (let n = 1; n <= 60; n += 1) transmit({ type: 'publish', channelId: 'weather', content: `Day ${n}: ${['sun', 'rain', 'wind', 'fog'][n % 4]}` }); });
  await hears(ann, 'Day 60: sun');
  await ann.reload();
  await state(ann, 'open');
  await hears(ann, 'Day 60: sun');
  await ann.evaluate(() => { document.querySelector('#logs').scrollTop = 0; });
  await hears(ann, 'Day 1: rain');
  await ann.evaluate(() => { document.querySelector('#logs').scrollTop = document.querySelector('#logs').scrollHeight; });
  await ann.evaluate(() => { abandon(); setState('waiting', ''); });
  await bob.evaluate(() => { for (let n = 1; n <= 12; n += 1) transmit({ type: 'publish', channelId: 'weather', content: `Week ${n}` }); });
  await hears(bob, 'Week 12');
  await ann.evaluate(() => connect());
  await ann.locator('.notice').getByText('You missed 12 messages').waitFor();
  await say(bob, 'Sunny at last. Where have you been?');
  await hears(ann, 'Sunny at last. Where have you been?');
  await ann.screenshot({ path: file });
}
