// The frame: what is polled and followed, which view is shown, and whether there is still a connection.

import { html, nothing, render } from './lit-html.js';
import * as api from './api.js';
import { History, sum } from './charts.js';
import { explain } from './explain.js';
import { records, services, tasks } from './lists.js';
import { age, charts, overview, STATES } from './overview.js';
import { configuration, problems, traffic } from './reports.js';
import { search } from './search.js';

const POLL_MS = 2_000;
// Lists follow changes no faster than this: a busy cluster changes all the time.
const REFRESH_MS = 3_000;
const CHANGES_MAX = 60;

const element = (id) => document.getElementById(id);

class App {
  status;
  statusAt = 0;
  families;
  metricsError;
  // How many problems there are of a kind, as the metrics say, and how often they were counted.
  troubles = new Map();
  counts = 0;
  changes = [];
  isFollowing = false;
  lostSince = 0;
  // Until the configuration says otherwise.
  enumerates = true;
  history = new History();
  #drawing = false;
  #refreshAt = 0;
  #refreshTimer;
  #announced;

  constructor() {
    this.charts = charts(this);
    this.views = {
      overview: overview(this),
      services: services(this),
      tasks: tasks(this),
      records: records(this),
      explain: explain(this),
      problems: problems(this),
      traffic: traffic(this),
      configuration: configuration(this),
    };
    this.search = search(this, element('search'));
  }

  // Draws once, soon, however often it is asked to.
  draw() {
    if (this.#drawing) return;
    this.#drawing = true;
    requestAnimationFrame(() => {
      this.#drawing = false;
      this.#drawNow();
    });
  }

  elapsed() {
    return (performance.now() - this.statusAt) / 1_000;
  }

  //---------- Places

  // The view and its parameters are in the address, so that both can be kept and sent.
  place() {
    const [name, query] = location.hash.replace(/^#\//, '').split('?');
    return [name in this.views ? name : 'overview', Object.fromEntries(new URLSearchParams(query ?? ''))];
  }

  go(view, parameters) {
    location.hash = `/${api.path(view, parameters)}`;
  }

  remember(parameters) {
    history.replaceState(null, '', `#/${api.path(this.place()[0], parameters)}`);
  }

  arrive() {
    const [name, parameters] = this.place();
    const isOther = this.view !== this.views[name];
    this.view = this.views[name];
    document.title = `${this.view.title} · mesos-dns`;
    this.view.open(parameters);
    this.draw();
    if (!isOther) return;
    scrollTo(0, 0);
    requestAnimationFrame(() => document.querySelector('nav [aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'nearest' }));
  }

  //---------- What is read

  async poll() {
    const status = api.get('v2/status').then((body) => this.#keep(body));
    const metrics = api.metrics().then(
      (families) => {
        [this.families, this.metricsError] = [families, undefined];
        this.history.add(Date.now() / 1_000, families);
        this.#count(families);
      },
      (error) => (this.metricsError = error.message),
    );
    await Promise.allSettled([status, metrics]);
    this.draw();
  }

  #keep(status) {
    if (this.status && this.status.program !== status.program) location.reload();
    [this.status, this.statusAt] = [status, performance.now()];
    const told = `${STATES[status.state][0]}. Leader: ${status.leader.address ?? 'none'}.`;
    if (told !== this.#announced) element('told').textContent = this.#announced = told;
  }

  // Problems are counted a while after the change that brings them.
  #count(families) {
    this.troubles = new Map((families.get('mesos_dns_problems_found') ?? []).map(({ labels, value }) => [labels.kind, value]));
    const counts = sum(families, 'mesos_dns_problems_counts_total');
    if (counts !== this.counts && this.view === this.views.problems) this.view.refresh();
    this.counts = counts;
  }

  async readConfiguration() {
    const { keys } = await api.get('v2/config');
    const isOn = keys.find(({ key }) => key.toLowerCase() === 'enumerationon')?.value !== false;
    const isOther = isOn !== this.enumerates;
    this.enumerates = isOn;
    if (isOther) this.arrive();
  }

  changed(type, data) {
    if (type === 'change') {
      const time = new Date().toLocaleTimeString('en-GB');
      const lines = (sign, all) => all.slice(0, CHANGES_MAX).map((record) => ({ sign, time, ...record }));
      const fresh = [...lines('+', data.added), ...lines('−', data.removed)];
      this.changes = [...fresh, ...this.changes].slice(0, CHANGES_MAX);
    }
    this.#refreshSoon();
    this.draw();
  }

  #refreshSoon() {
    clearTimeout(this.#refreshTimer);
    const wait = Math.max(0, this.#refreshAt + REFRESH_MS - performance.now());
    this.#refreshTimer = setTimeout(() => {
      this.#refreshAt = performance.now();
      this.view.refresh();
    }, wait);
  }

  //---------- What is shown

  #drawNow() {
    render(this.#head(), element('top'));
    render(this.#places(), element('places'));
    render(this.#alarm(), element('alarm'));
    render(this.view.render(), element('main'));
    render(this.#foot(), element('foot'));
    document.body.classList.toggle('lost', this.lostSince > 0);
    this.charts.rates.show();
    this.charts.latency.show();
  }

  #head() {
    const { status } = this;
    const kind = this.lostSince ? 'lost' : status?.state;
    return html`<a class="brand" href="#/overview">mesos-dns <span>${status?.zone.domain ?? ''}</span></a>
      ${kind ? html`<span class=${`state ${kind}`} id="state"><span class="dot" aria-hidden="true"></span>${STATES[kind][0]}</span>` : nothing}
      ${status ? html`<span class="aside">leader <b id="leader">${status.leader.address ?? 'none'}</b></span><span class="aside">serial <b>${status.serial}</b></span>` : nothing}
      <button type="button" class="find" @click=${() => this.search.open()}>Search <kbd>/</kbd></button>`;
  }

  #places() {
    const total = [...this.troubles.values()].reduce((all, count) => all + count, 0);
    return Object.entries(this.views).map(
      ([name, view]) => html`<a href=${`#/${name}`} aria-current=${view === this.view ? 'page' : nothing}>${view.title}${name === 'problems' && total > 0 ? html` <span class="mark">${total.toLocaleString('en')}</span>` : nothing}</a>`,
    );
  }

  #alarm() {
    if (!this.lostSince) return nothing;
    return html`<p><strong>No connection to the server</strong> since ${new Date(this.lostSince).toLocaleTimeString('en-GB')}.
      What is shown is old; the page goes on trying.</p>`;
  }

  #foot() {
    const { status } = this;
    return status
      ? html`<span>version ${status.program}</span><span>started ${age(status.uptimeSeconds + this.elapsed())}</span><span>process ${status.pid}</span>
        <span>${this.enumerates ? (this.isFollowing ? 'changes are followed' : 'changes are not followed') : 'lists are off'}</span>
        <a href="v2/openapi.json">API</a><a href="metrics">metrics</a><a href="ui/LICENSES">licences</a>`
      : nothing;
  }

  //---------- Who may read

  askForToken(wasRefused) {
    const dialog = element('token');
    if (dialog.open) return;
    const submit = (event) => {
      event.preventDefault();
      api.useToken(new FormData(event.target).get('token').trim());
      dialog.close();
      this.begin();
    };
    render(
      html`<form @submit=${submit}><h2 id="token-title">A token is needed</h2>
        <p>${wasRefused ? 'The server does not know this token.' : 'This server shows its data to those who have one of its tokens (httpTokensFile).'} It is kept until this tab is closed.</p>
        <label>Token<input name="token" type="password" required autocomplete="off"></label>
        <button type="submit">Go on</button></form>`,
      dialog,
    );
    dialog.querySelector('form').reset();
    dialog.showModal();
  }

  //---------- From the start

  begin() {
    this.readConfiguration().catch(() => {});
    this.arrive();
    return this.poll();
  }

  start() {
    api.events.addEventListener('lost', () => {
      this.lostSince ||= Date.now();
      this.draw();
    });
    api.events.addEventListener('found', () => {
      if (!this.lostSince) return;
      this.lostSince = 0;
      this.begin();
    });
    api.events.addEventListener('token-wanted', ({ detail }) => this.askForToken(detail));
    api.events.addEventListener('following', ({ detail }) => {
      this.isFollowing = detail;
      this.draw();
    });
    addEventListener('hashchange', () => location.hash.startsWith('#/') && this.arrive());
    element('token').addEventListener('cancel', (event) => event.preventDefault());
    setInterval(() => this.draw(), 1_000);
    const again = () => this.poll().finally(() => setTimeout(again, POLL_MS));
    this.begin().finally(() => setTimeout(again, POLL_MS));
    api.follow((type, data) => this.changed(type, data));
  }
}

new App().start();
