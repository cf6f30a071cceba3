// Search by keyboard: a few services, frameworks, agents and records that have this in their name.

import { html, nothing, render } from './lit-html.js';
import { get } from './api.js';
import { anywhere } from './lists.js';

const TYPING_MS = 180;

const RECORDS_MAX = 8;

const SOURCES = [
  ['service', 'v2/services', 6, (one) => [one.name, one.framework.name, '/services', { name: one.name, framework: one.framework.name }]],
  ['framework', 'v2/frameworks', 3, (one) => [one.name, one.domain, '/tasks', { framework: one.id }]],
  ['agent', 'v2/agents', 3, (one) => [one.hostname, one.addresses.join(', '), '/tasks', { agent: one.id }]],
  ['record', 'v2/records', 40, (one) => [one.name, `${one.type} ${one.data}`, '/explain', { name: one.name, type: one.type }]],
];

// Records that are explained together are one line.
function once(lines) {
  const seen = new Set();
  return lines.filter(([, name, , , { type }]) => {
    const key = `${name} ${type}`;
    return !seen.has(key) && seen.add(key);
  });
}

export function search(app, dialog) {
  let text = '';
  let found = [];
  let chosen = 0;
  let state = 'idle';
  let abort;
  let timer;

  function open() {
    if (dialog.open) return;
    text = '';
    found = [];
    state = 'idle';
    draw();
    dialog.showModal();
    dialog.querySelector('input').focus();
  }

  async function look() {
    abort?.abort();
    abort = new AbortController();
    const { signal } = abort;
    if (text === '') {
      [found, state] = [[], 'idle'];
      return draw();
    }
    state = 'reading';
    draw();
    const parts = SOURCES.map(async ([kind, path, limit, read]) => {
      const { items } = await get(path, { name: anywhere(text), limit }, signal);
      const lines = items.map((item) => [kind, ...read(item)]);
      return kind === 'record' ? once(lines).slice(0, RECORDS_MAX) : lines;
    });
    const all = await Promise.allSettled(parts);
    if (signal.aborted) return;
    found = all.flatMap(({ value }) => value ?? []);
    state = all.find(({ status }) => status === 'rejected')?.reason.message ?? 'done';
    // A whole name can always be explained, also one that is not there.
    if (text.includes('.') && !text.includes('*')) found.push(['explain', text, 'why it has its answer', '/explain', { name: text }]);
    chosen = 0;
    draw();
  }

  function type(event) {
    text = event.target.value.trim();
    clearTimeout(timer);
    timer = setTimeout(look, TYPING_MS);
  }

  function press(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && found.length) {
      event.preventDefault();
      chosen = (chosen + step + found.length) % found.length;
      draw();
      dialog.querySelector('[aria-selected=true]')?.scrollIntoView({ block: 'nearest' });
    } else if (event.key === 'Escape') {
      // Browsers would empty the field first.
      event.preventDefault();
      dialog.close();
    } else if (event.key === 'Enter' && found[chosen]) {
      event.preventDefault();
      take(found[chosen]);
    }
  }

  function take([, , , place, parameters]) {
    dialog.close();
    app.go(place.slice(1), parameters);
  }

  const option = (one, index) => html`<li role="option" id=${`found-${index}`} aria-selected=${index === chosen} @click=${() => take(one)}>
    <span class="kind">${one[0]}</span> <b class="name">${one[1]}</b> <span class="quiet">${one[2]}</span></li>`;

  function note() {
    if (!app.enumerates) return '"enumerationOn" is false: there is nothing to search in.';
    if (state === 'reading') return 'Reading…';
    if (state === 'idle') return 'Part of a name; * stands for any text. Enter opens, Esc closes.';
    if (state !== 'done') return state;
    return found.length === 0 ? 'Nothing has that in its name.' : `${found.length} found`;
  }

  function draw() {
    render(
      html`<input type="search" role="combobox" aria-label="Search for services, frameworks, agents and names" aria-controls="found"
          aria-expanded=${found.length > 0} aria-activedescendant=${found.length ? `found-${chosen}` : nothing} aria-autocomplete="list"
          autocomplete="off" spellcheck="false" autocapitalize="none" placeholder="Search" ?disabled=${!app.enumerates} .value=${text} @input=${type} @keydown=${press}>
        <ul id="found" role="listbox" aria-label="Found">${found.map(option)}</ul>
        <p class="quiet" role="status">${note()}</p>`,
      dialog,
    );
  }

  dialog.addEventListener('click', (event) => event.target === dialog && dialog.close());
  document.addEventListener('keydown', (event) => {
    const isTyping = event.target.matches?.('input, select, textarea');
    const wants = (event.key === '/' && !isTyping) || (event.key === 'k' && (event.ctrlKey || event.metaKey));
    if (wants && !event.defaultPrevented && !document.querySelector('dialog[open]')) {
      event.preventDefault();
      open();
    }
  });
  return { open };
}
