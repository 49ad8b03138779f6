// Elements are made, and what a client has said is only ever text: nothing here reads it as HTML.

function make(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

// Characters that show nothing, or turn around what stands behind them: with them a name looks like another.
const UNSEEN = /[\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;
const codeOf = (character) => `U+${character.codePointAt(0).toString(16).toUpperCase().padStart(4, '0')}`;

// A name of a client: apart from what stands beside it, whatever direction it has, and with what is not seen of it.
function named(text) {
  const name = make('bdi', { textContent: text ?? '–' });
  const unseen = [...new Set((text ?? '').match(UNSEEN))].map(codeOf);
  return unseen.length ? make('span', {}, name, make('small', { className: 'unseen', textContent: ` has ${unseen.join(', ')}` })) : name;
}

const BYTES = ['B', 'KiB', 'MiB', 'GiB'];

function bytes(count) {
  let unit = 0;
  for (; count >= 1024 && unit < BYTES.length - 1; unit += 1) count /= 1024;
  return `${unit ? count.toFixed(1) : count} ${BYTES[unit]}`;
}

const counted = (count, what) => `${count} ${what}${count === 1 ? '' : 's'}`;

const SPANS = [[86_400, 'd'], [3600, 'h'], [60, 'min']];

function ago(iso) {
  const seconds = Math.max(0, Math.round((Date.now() - Date.parse(iso)) / 1000));
  const [span, unit] = SPANS.find(([span]) => seconds >= span) ?? [1, 's'];
  const at = new Date(iso).toLocaleString();
  return make('time', { dateTime: iso, title: at, textContent: `${Math.floor(seconds / span)} ${unit}` });
}

// A button for one row, which says to those who do not see the row which one that is.
function button(text, about, act, look = '') {
  const made = make('button', { type: 'button', textContent: text, className: look });
  made.setAttribute('aria-label', `${text}: ${about}`);
  made.addEventListener('click', act);
  return made;
}

// Shows rows under columns `{ title, look, cell }`. A row that stays is filled anew, so that the focus stays in it.
function show(columns, rows, keyOf) {
  const [head, body] = [document.querySelector('thead tr'), document.querySelector('tbody')];
  head.replaceChildren(...columns.map(({ title }) => make('th', { scope: 'col', textContent: title })));
  const before = new Map([...body.children].map((row) => [row.dataset.key, row]));
  const all = rows.map((row) => {
    const shown = before.get(keyOf(row)) ?? make('tr');
    shown.dataset.key = keyOf(row);
    fill(shown, columns, row);
    return shown;
  });
  for (const row of [...body.children]) if (!all.includes(row)) row.remove();
  all.forEach((row, index) => { if (body.children[index] !== row) body.insertBefore(row, body.children[index] ?? null); });
}

function fill(shown, columns, row) {
  if (shown.children.length !== columns.length || shown.columns !== columns) {
    shown.replaceChildren(...columns.map(() => make('td')));
    shown.columns = columns;
  }
  columns.forEach(({ title, look, cell, once }, index) => {
    const place = shown.children[index];
    if (once && place.hasChildNodes()) return;
    place.className = look ?? '';
    if (title) place.dataset.label = title;
    const content = cell(row);
    place.replaceChildren(...(Array.isArray(content) ? content : [content]));
  });
}
