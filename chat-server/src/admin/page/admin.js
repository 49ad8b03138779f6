const $ = (id) => document.getElementById(id);
const REFRESH_MS = 5000;

const about = (row) => `${row.name ?? 'not yet named'}, session ${row.session}`;
const who = [
  { title: 'Name', look: 'name', cell: (row) => named(row.name) },
  { title: 'User', look: 'name', cell: (row) => named(row.user) },
  { title: 'Session', look: 'number', cell: (row) => row.session },
  { title: 'Since', cell: (row) => ago(row.since) },
];
const line = [
  { title: 'From', cell: (row) => row.from ?? '–' },
  { title: 'Protocol', cell: (row) => row.protocol },
  { title: 'Waits', look: 'number', cell: (row) => (row.waitingFrames ? `${row.waitingFrames} (${bytes(row.waitingBytes)})` : '0') },
];
const end = (row) => button('Disconnect', about(row), () => disconnect(row), 'bad');

const lists = {
  sessions: {
    path: 'sessions',
    title: () => ['Sessions'],
    search: 'User or name begins with',
    keyOf: (row) => row.session,
    columns: [...who, ...line, { title: 'Channels', look: 'number', cell: (row) => `${row.channels}` }, { title: '', look: 'acts', once: true, cell: (row) => end(row) }],
  },
  channels: {
    path: 'channels',
    title: () => ['Channels'],
    search: 'Name begins with',
    keyOf: (row) => row.channel,
    columns: [
      { title: 'Channel', look: 'name', once: true, cell: channelLink },
      { title: 'Subscribers', look: 'number', cell: (row) => `${row.subscribers}` },
      { title: 'In memory', look: 'number', cell: (row) => `${row.publications} (${bytes(row.historyBytes)})` },
      { title: 'Last offset', look: 'number', cell: (row) => row.offset },
      { title: 'Stored', cell: (row) => (row.stored ? 'yes' : 'no') },
    ],
  },
  subscribers: {
    path: 'subscribers',
    title: () => ['Sessions in ', named(view.channel)],
    search: 'User or name begins with',
    keyOf: (row) => row.session,
    columns: [...who, { title: 'Joined', cell: (row) => ago(row.subscribed) }, ...line, {
      title: '', look: 'acts', once: true, cell: (row) => [button('Unsubscribe', about(row), () => unsubscribe(row), 'bad'), end(row)],
    }],
  },
};

// What is shown: a list, from the row after `after`, of those that begin with `begins`.
let view = { list: 'sessions', channel: '', begins: '', after: '' };
let next = '';
let loading = 0;

function channelLink(row) {
  const link = button('', `Sessions in ${row.channel}`, () => turn({ list: 'subscribers', channel: row.channel }), 'link');
  link.append(named(row.channel));
  link.setAttribute('aria-label', `Sessions in ${row.channel}`);
  return link;
}

// Shows another list or page.
async function turn(change) {
  // Rows of another list do not stand under this one's title until it comes, or if it does not come.
  if (change.list) {
    show([], [], () => '');
    $('next').disabled = true;
  }
  view = { list: view.list, channel: view.channel, begins: '', after: '', ...change };
  const list = lists[view.list];
  document.querySelector('label[for=begins]').textContent = list.search;
  $('begins').value = view.begins;
  $('title').replaceChildren(...list.title());
  $('show-sessions').toggleAttribute('aria-current', view.list === 'sessions');
  $('show-channels').toggleAttribute('aria-current', view.list !== 'sessions');
  for (const current of document.querySelectorAll('nav [aria-current]')) current.setAttribute('aria-current', 'page');
  say('');
  await refresh();
  $('title').focus();
  window.scrollTo(0, 0);
}

// Asks for what is shown; an answer that comes after a later one is dropped.
async function refresh() {
  const [list, { channel, begins, after }] = [lists[view.list], view];
  loading += 1;
  const turn = loading;
  try {
    const query = { begins, after, channel: view.list === 'subscribers' ? channel : '' };
    const [page, totals] = await Promise.all([ask(list.path, { query }), ask('totals')]);
    if (turn !== loading) return;
    show(list.columns, page.rows, list.keyOf);
    next = page.next ?? '';
    $('none').hidden = page.rows.length > 0;
    $('none').textContent = next ? 'None so far: the next page looks further.' : 'Nothing is here.';
    $('next').disabled = !next;
    $('first').disabled = !after;
    $('totals').textContent = `${counted(totals.sessions, 'session')} of ${counted(totals.users, 'user')}, ${counted(totals.channels, 'channel')}, ${bytes(totals.waitingBytes)} waiting; version ${totals.version}`;
  } catch (error) {
    if (turn === loading) failed(error);
  }
}

function failed(error) {
  if (!(error instanceof Refused)) throw error;
  if (error.status === 401) return leave(error.message);
  say(error.message);
}

const say = (text) => { $('said').textContent = text; };

async function act(path, body, question, told) {
  if (!confirm(question)) return;
  try {
    await ask(path, { body });
    await refresh();
    say(told);
  } catch (error) {
    failed(error);
  }
}

// A question is plain text too: what a client is called stands between isolating marks, is cut, and names what
// is not seen of it.
const quoted = (text) => `\u2068${[...(text ?? '')].slice(0, 60).join('').replace(UNSEEN, (one) => `[${codeOf(one)}]`)}\u2069`;

const disconnect = (row) => act('disconnect', { session: row.session }, `Disconnect ${quoted(row.name)} (session ${row.session})? Its client does not come back by itself.`, `Session ${row.session} is disconnected.`);

function unsubscribe(row) {
  const { channel } = view;
  return act('unsubscribe', { session: row.session, channel }, `Unsubscribe ${quoted(row.name)} (session ${row.session}) from ${quoted(channel)}?`, `Session ${row.session} is unsubscribed.`);
}

// Forgets the key and everything that was shown.
function leave(why = '') {
  key = '';
  loading += 1;
  document.querySelector('tbody').replaceChildren();
  $('totals').textContent = '';
  $('app').hidden = true;
  $('login').hidden = false;
  $('refused').textContent = why;
  $('key').focus();
}

$('login').addEventListener('submit', async (event) => {
  event.preventDefault();
  const said = $('key').value;
  $('refused').textContent = '';
  if (!isSayable(said)) {
    $('refused').textContent = 'The key is missing or wrong.';
    return;
  }
  key = said;
  try {
    await ask('totals');
  } catch (error) {
    leave(error.message);
    return;
  }
  $('key').value = '';
  $('login').hidden = true;
  $('app').hidden = false;
  await turn({ list: 'sessions' });
});
$('search').addEventListener('submit', (event) => {
  event.preventDefault();
  turn({ begins: $('begins').value });
});
$('leave').addEventListener('click', () => leave());
$('show-sessions').addEventListener('click', () => turn({ list: 'sessions' }));
$('show-channels').addEventListener('click', () => turn({ list: 'channels' }));
$('first').addEventListener('click', () => turn({ begins: view.begins }));
$('next').addEventListener('click', () => turn({ begins: view.begins, after: next }));
setInterval(() => { if (key && !$('app').hidden && !document.hidden) refresh(); }, REFRESH_MS);
$('key').focus();
