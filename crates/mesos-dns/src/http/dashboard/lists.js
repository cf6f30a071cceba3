// Lists with filters and pages: services, tasks, records, problems, configuration.
//
// Filtering and paging is the server's work: the browser never holds more than one page of what may be a hundred
// thousand tasks.

import { html, nothing } from './lit-html.js';
import { get } from './api.js';

const PAGE = 50;
const TYPING_MS = 250;

// What people type means: somewhere in the name.
export const anywhere = (text) => (text === '' || text === undefined || text.includes('*') ? text : `*${text}*`);

export const number = (value) => (value ?? 0).toLocaleString('en');

export const explainLink = (name, type) =>
  html`<a class="name" href=${`#/explain?${new URLSearchParams(type ? { name, type } : { name })}`}>${name}</a>`;

const HEALTH = { healthy: '●', unhealthy: '▲', unknown: '○' };

// A mark and a word: colour alone tells nothing to some.
export const health = (kind, count) =>
  html`<span class=${`health ${kind}`}><span aria-hidden="true">${HEALTH[kind]}</span> ${count === undefined ? kind : html`${number(count)}<span class="unseen"> ${kind}</span>`}</span>`;

export const off = () => html`<p class="note" role="note"><strong>Switched off.</strong> The configuration says
  <code>"enumerationOn": false</code>: this server answers DNS, and does not list or explain what is in the cluster.
  State, traffic and configuration are shown as ever.</p>`;

// A list over one path of the API.
export class List {
  #app;
  #spec;
  #answer;
  #error;
  #cursors = [undefined];
  #abort;
  #timer;
  parameters = {};
  opened = new Map();

  constructor(app, spec) {
    this.#app = app;
    this.#spec = spec;
  }

  get title() {
    return this.#spec.title;
  }

  // Comes here with these filters.
  open(parameters) {
    this.parameters = parameters;
    this.#cursors = [undefined];
    this.opened.clear();
    this.#answer = undefined;
    return this.refresh();
  }

  // Reads the page anew; what is there stays until the new one has come.
  async refresh() {
    if (!this.#app.enumerates) return;
    this.#abort?.abort();
    const abort = (this.#abort = new AbortController());
    const wanted = { ...this.#spec.query(this.parameters), limit: PAGE, cursor: this.#cursors.at(-1) };
    try {
      this.#answer = await get(this.#spec.path, wanted, abort.signal);
      this.#error = undefined;
    } catch (error) {
      if (abort.signal.aborted) return;
      this.#error = error.message;
    }
    this.#app.draw();
  }

  #set(name, value, delay) {
    this.parameters = { ...this.parameters, [name]: value };
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#app.remember(this.parameters);
      this.#cursors = [undefined];
      this.opened.clear();
      this.refresh();
    }, delay);
  }

  #turn(cursors) {
    this.#cursors = cursors;
    this.opened.clear();
    this.refresh();
  }

  // Opens or closes what is below a row.
  toggle(key, load) {
    if (this.opened.delete(key)) return this.#app.draw();
    this.opened.set(key, undefined);
    this.#app.draw();
    const keep = (value) => this.opened.has(key) && this.opened.set(key, value) && this.#app.draw();
    return load().then(keep, (error) => keep({ error: error.message }));
  }

  render() {
    if (!this.#app.enumerates) return html`<h1>${this.title}</h1>${off()}`;
    const { filters, columns, row, empty } = this.#spec;
    const answer = this.#answer;
    return html`<h1>${this.title}</h1>
      <form class="filters" role="search" aria-label=${`Filter ${this.title.toLowerCase()}`} @submit=${(event) => event.preventDefault()}>
        ${filters.map((filter) => this.#filter(filter))}
      </form>
      ${this.#error ? html`<p class="note bad" role="alert">${this.#error}</p>` : nothing}
      <div class="scroll" tabindex="0" role="region" aria-label=${`Table of ${this.title.toLowerCase()}`}>
        <table class=${this.#spec.path.replace('v2/', '')}>
          <thead><tr>${columns.map(([name, kind]) => html`<th scope="col" class=${kind ?? ''}>${name}</th>`)}</tr></thead>
          <tbody>${answer?.items.map((item) => row(item, this)) ?? nothing}</tbody>
        </table>
      </div>
      ${answer && answer.total === 0 ? html`<p class="note">${empty}</p>` : nothing}
      ${answer || this.#error ? nothing : html`<p class="note">Reading…</p>`}
      ${answer ? this.#pages(answer) : nothing}`;
  }

  #filter({ name, label, choices, hint }) {
    const value = this.parameters[name] ?? '';
    if (!choices) {
      return html`<label>${label}<input type="search" autocomplete="off" spellcheck="false" placeholder=${hint ?? ''}
        .value=${value} @input=${(event) => this.#set(name, event.target.value.trim(), TYPING_MS)}></label>`;
    }
    return html`<label>${label}<select @change=${(event) => this.#set(name, event.target.value, 0)}>
      <option value="" ?selected=${value === ''}>any</option>
      ${choices.map((choice) => html`<option value=${choice} ?selected=${value === choice}>${choice}</option>`)}</select></label>`;
  }

  #pages(answer) {
    const first = (this.#cursors.length - 1) * PAGE;
    const shown = answer.items.length === 0 ? '0' : `${number(first + 1)}–${number(first + answer.items.length)}`;
    return html`<div class="pages"><span class="count">${shown} of ${number(answer.total)}</span>
      <button type="button" ?disabled=${this.#cursors.length === 1} @click=${() => this.#turn(this.#cursors.slice(0, -1))}>Previous</button>
      <button type="button" ?disabled=${!answer.next} @click=${() => this.#turn([...this.#cursors, answer.next])}>Next</button>
    </div>`;
  }
}

const places = ({ place }) => (place ? [place.region, place.zone].filter(Boolean).join(' / ') : '');

const taskRows = (tasks) =>
  tasks.map(
    (task) => html`<tr>
      <td class="name">${task.id}</td><td>${health(task.health)}</td><td>${task.agent?.name}</td><td>${places(task)}</td>
      <td class="name">${task.addresses.map((address) => html`${address}<br>`)}</td>
      <td class="name">${task.ports.map((port) => html`${port.name ? `${port.name} ` : ''}${port.port}/${port.protocols.join('+')}<br>`)}</td>
    </tr>`,
  );

function instances(service, found) {
  if (found === undefined) return html`<p class="note">Reading…</p>`;
  if (found.error) return html`<p class="note bad">${found.error}</p>`;
  const all = `#/tasks?${new URLSearchParams({ framework: service.framework.id, name: service.name })}`;
  return html`<h3>Names</h3><ul class="names">${service.names.map((name) => html`<li>${explainLink(name, name.startsWith('_') ? 'SRV' : undefined)}</li>`)}</ul>
    <h3>Instances</h3>
    <table><thead><tr><th scope="col">task</th><th scope="col">health</th><th scope="col">agent</th><th scope="col">place</th><th scope="col">addresses</th><th scope="col">ports</th></tr></thead>
    <tbody>${taskRows(found.items)}</tbody></table>
    ${found.next ? html`<p><a href=${all}>All ${number(found.total)} tasks</a></p>` : nothing}`;
}

export function services(app) {
  const load = (service) => get('v2/tasks', { framework: service.framework.id, name: service.name, limit: 20 });
  return new List(app, {
    title: 'Services',
    path: 'v2/services',
    query: ({ name, framework, health: wanted, zone }) => ({ name: anywhere(name), framework: anywhere(framework), health: wanted, zone: anywhere(zone) }),
    filters: [
      { name: 'name', label: 'Name', hint: 'part of it, or *' },
      { name: 'framework', label: 'Framework' },
      { name: 'zone', label: 'Zone' },
      { name: 'health', label: 'Health', choices: ['healthy', 'unhealthy', 'unknown'] },
    ],
    columns: [['service'], ['framework'], ['instances', 'figure'], ['healthy', 'figure'], ['unhealthy', 'figure'], ['no check', 'figure'], ['ports']],
    empty: 'No service is like that.',
    row: (service, list) => {
      const key = `${service.framework.id}\0${service.name}`;
      const isOpen = list.opened.has(key);
      return html`<tr class=${service.unhealthy > 0 ? 'ill' : ''}>
          <th scope="row"><button type="button" class="opener" aria-expanded=${isOpen} @click=${() => list.toggle(key, () => load(service))}>${service.name}</button></th>
          <td>${service.framework.name}</td>
          <td class="figure">${number(service.instances)}</td>
          <td class="figure">${service.healthy ? health('healthy', service.healthy) : '–'}</td>
          <td class="figure">${service.unhealthy ? health('unhealthy', service.unhealthy) : '–'}</td>
          <td class="figure">${service.unknown ? health('unknown', service.unknown) : '–'}</td>
          <td>${service.ports.map((port) => port.name || port.port).slice(0, 4).join(', ')}</td>
        </tr>
        ${isOpen ? html`<tr class="below"><td colspan="7">${instances(service, list.opened.get(key))}</td></tr>` : nothing}`;
    },
  });
}

export const tasks = (app) =>
  new List(app, {
    title: 'Tasks',
    path: 'v2/tasks',
    query: ({ name, framework, agent, health: wanted, label, state }) => ({
      name: anywhere(name), framework: anywhere(framework), agent: anywhere(agent), health: wanted, label, state,
    }),
    filters: [
      { name: 'name', label: 'Name', hint: 'part of it, or *' },
      { name: 'framework', label: 'Framework' },
      { name: 'agent', label: 'Agent' },
      { name: 'label', label: 'Label', hint: 'key or key:value' },
      { name: 'health', label: 'Health', choices: ['healthy', 'unhealthy', 'unknown'] },
    ],
    columns: [['name'], ['task'], ['framework'], ['agent'], ['state'], ['health'], ['in DNS'], ['addresses']],
    empty: 'No task is like that.',
    row: (task) => html`<tr>
      <th scope="row">${task.names[0] ? explainLink(task.names[0]) : task.name}</th>
      <td class="name">${task.id}</td><td>${task.framework?.name}</td><td>${task.agent?.name}</td>
      <td>${task.state.replace('TASK_', '').toLowerCase().replaceAll('_', ' ')}</td><td>${health(task.health)}</td>
      <td>${task.answered ? 'yes' : html`<strong>no</strong>`}</td>
      <td class="name">${task.addresses.map((address) => html`${address}<br>`)}</td>
    </tr>`,
  });

export const records = (app) =>
  new List(app, {
    title: 'Records',
    path: 'v2/records',
    query: ({ name, below, type }) => ({ name: anywhere(name), below, type }),
    filters: [
      { name: 'name', label: 'Name', hint: 'part of it, or *' },
      { name: 'below', label: 'Below', hint: 'marathon.mesos' },
      { name: 'type', label: 'Type', choices: ['A', 'AAAA', 'SRV', 'TXT', 'CNAME', 'MX', 'PTR', 'HTTPS'] },
    ],
    columns: [['name'], ['type'], ['TTL', 'figure'], ['data']],
    empty: 'No record is like that.',
    row: (record) => html`<tr><th scope="row">${explainLink(record.name, record.type)}</th><td>${record.type}</td>
      <td class="figure">${record.ttl}</td><td class="name">${record.data}${record.static ? html` <span class="mark">static</span>` : nothing}</td></tr>`,
  });
