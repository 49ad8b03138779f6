// Several tabs of one person, who is one and the same in all of them, or not.

import { channelOf, context, equal, hears, join, person, say, state, tab } from './people.mjs';

async function annInA() {
  const own = await context();
  const page = await tab(own, 'a');
  await page.fill('#name', 'ann');
  await page.click('#start');
  await state(page, 'open');
  return [own, page];
}

export const tabs = {
  async 'one’s own messages are not unread in another tab, and what is read in one is read in all'() {
    const [own, one] = await annInA();
    await join(one, 'b');
    const two = await tab(own, 'b');
    await state(two, 'open');
    const bob = await person('bob', 'a');
    const badge = channelOf(one, 'a').locator('.unread');
    await channelOf(two, 'a').click();
    await say(two, 'mine');
    await hears(bob, 'mine');
    await one.waitForFunction(() => [...channels.get('a').entries.values()].some(({ author }) => author.user === 'ann'));
    equal(await badge.isVisible(), false, 'a badge for what one said oneself');
    await channelOf(two, 'b').click();
    await say(bob, 'yours');
    await badge.getByText('1', { exact: true }).waitFor();
    await channelOf(two, 'a').click();
    await badge.waitFor({ state: 'hidden' });
    equal(await one.title(), '#b', 'the title');
  },

  async 'tabs join and leave, and none forgets what another did'() {
    const [own, one] = await annInA();
    const two = await tab(own, 'a');
    await state(two, 'open');
    await join(one, 'of one');
    await join(two, 'of two');
    await channelOf(one, 'of two').waitFor();
    await channelOf(two, 'of one').waitFor();
    await one.getByLabel('Leave lobby').click();
    await channelOf(two, 'lobby').waitFor({ state: 'detached' });
    await two.reload();
    await channelOf(two, 'of one').waitFor();
    equal(await two.evaluate(() => localStorage.getItem('chat.channels')), '["a","of one","of two"]', 'what is remembered');
  },

  async 'tabs that join at the same moment forget nothing, and what one leaves stays left'() {
    const [own, one] = await annInA();
    const two = await tab(own, 'a');
    await state(two, 'open');
    await Promise.all([one, two].map((page, at) => page.evaluate((at) => { for (let n = 0; n < 15; n += 1) globalThis.join(`${at} ${n}`); }, at)));
    for (const page of [one, two]) await page.waitForFunction(() => channels.size === 32 && remembered.all().length === 32);
    await channelOf(one, '0 3').click();
    await one.getByLabel('Leave 1 7', { exact: true }).click();
    await two.getByLabel('Leave 0 3', { exact: true }).click();
    await two.waitForFunction(() => channels.size === 30);
    await one.waitForFunction(() => channels.size === 31 && remembered.all().length === 30);
    await join(one, 'later');
    await two.waitForFunction(() => channels.has('later') && channels.size === 31 && remembered.all().length === 31);
  },

  async 'a tab keeps its own name'() {
    const [own, one] = await annInA();
    const two = await tab(own, 'a');
    await two.click('#me');
    await two.fill('#name', 'bob');
    await two.click('#start');
    await two.waitForFunction(() => accepted === 'bob');
    await one.reload();
    await state(one, 'open');
    equal(await one.textContent('#me bdi'), 'ann', 'the name after a reload');
  },
};
