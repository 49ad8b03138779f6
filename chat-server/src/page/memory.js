'use strict';
const $ = (id) => document.getElementById(id);
const NAME_BYTES = 255;

// What is remembered is a comfort: a browser may forbid it, forget it, or hold something else there.
class Memory {
  constructor(store) { this.store = store; }

  read(key) {
    try { return JSON.parse(this.store().getItem('chat.' + key)); } catch { return null; }
  }

  write(key, value) {
    try {
      if (value === null) this.store().removeItem('chat.' + key);
      else this.store().setItem('chat.' + key, JSON.stringify(value));
    } catch { /* not remembered */ }
  }
}

const memory = new Memory(() => localStorage); // of all tabs
const tabMemory = new Memory(() => sessionStorage); // of this tab, over a reload

// Signs without a look of their own are kept where they make another of what stands before them: within emoji and keycaps, as the form of an ideograph, and
// between letters of scripts that join.
const EMOJI = String.raw`\p{Extended_Pictographic}(?:[\ufe0e\ufe0f]|\p{Emoji_Modifier})?(?:[\u{e0020}-\u{e007e}]+\u{e007f})?`;
const SCRIPTS = ['Arab', 'Syrc', 'Mong', 'Deva', 'Beng', 'Guru', 'Gujr', 'Orya', 'Taml', 'Telu', 'Knda', 'Mlym', 'Sinh', 'Khmr', 'Mymr', 'Tibt'];
const JOINED = String.raw`(?:(?!\p{Default_Ignorable_Code_Point})[${SCRIPTS.map((each) => `\\p{scx=${each}}`).join('')}])`;
const MEANT = [
  String.raw`${EMOJI}(?:\u200d${EMOJI})*`,
  String.raw`[0-9#*]\ufe0f\u20e3`,
  String.raw`\p{sc=Hani}[\ufe00-\ufe0f\u{e0100}-\u{e01ef}]`,
  String.raw`${JOINED}[\u180b-\u180f\u200c\u200d](?=${JOINED})`,
];
const UNSEEN = new RegExp(String.raw`(${MEANT.join('|')})|\p{Default_Ignorable_Code_Point}+`, 'gu');

// A name in the one spelling that all who mean it use; empty if nothing of it is seen. A field that is full, or a paste, may end in half an emoji.
function tidy(text) {
  if (typeof text !== 'string') return '';
  const seen = text.normalize().replace(/\p{Cs}/gu, '').replace(UNSEEN, (all, meant = '') => meant);
  return seen.replace(/[\p{White_Space}\p{Cc}\u2800]+/gu, ' ').trim();
}

function whole(text) {
  return text.replace(/\p{Cs}/gu, '\ufffd');
}

function bytes(text) {
  return new TextEncoder().encode(text).length;
}

// The channels that one is in. Two tabs that write at the same moment overwrite each other: what is not in the list is put there again by the tab that
// joined it, and what was left is said beside it.
const remembered = {
  all() {
    const list = memory.read('channels');
    if (!Array.isArray(list)) return ['lobby'];
    return [...new Set(list.map(tidy))].filter((each) => each && bytes(each) <= NAME_BYTES);
  },
  add(...names) {
    const all = this.all();
    if (names.some((each) => !all.includes(each)) || !memory.read('channels')) memory.write('channels', [...new Set([...all, ...names])]);
  },
  remove(name) {
    memory.write('left', { name, key: newKey() });
    memory.write('channels', this.all().filter((each) => each !== name));
  },
};
