// The first view answers one question: can these answers be trusted?

import { html, nothing } from './lit-html.js';
import { buckets, Chart, duration, quantile, rate, sum } from './charts.js';
import { explainLink, number } from './lists.js';

// What each state means for who asks.
export const STATES = {
  live: ['Live', 'Answers follow the cluster.'],
  holding: ['Holding', 'Something is answered that the leader does not show: it is kept until the leader can be believed.'],
  stale: ['Stale', 'The masters have not confirmed the data for too long. The last good answers are served.'],
  loading: ['Loading', 'Nothing is known of the cluster yet. Names in the domain get SERVFAIL.'],
  lost: ['No connection', 'This page cannot reach the server. All that it shows is old.'],
};

export function age(seconds) {
  if (seconds === null || seconds === undefined) return 'never';
  if (seconds < 1) return 'now';
  if (seconds < 90) return `${Math.floor(seconds)} s ago`;
  if (seconds < 5_400) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3_600)} h ago`;
  return `${Math.floor(seconds / 86_400)} days ago`;
}

const fact = (name, value, more) => html`<div><dt>${name}</dt><dd>${value}${more ? html`<small>${more}</small>` : nothing}</dd></div>`;

export function charts(app) {
  const { history } = app;
  const last = (row) => row.at(-1);
  const rates = new Chart({
    least: 1,
    value: rate,
    series: [{ colour: '--accent', fill: '--accent-pale' }, { colour: '--second', dash: [6, 3] }, { colour: '--bad', dash: [2, 3] }],
    data: () => [history.times, history.own, history.forwarded, history.failed],
    label: () => `Answers a second: ${rate(last(history.own))} from the cluster, ${rate(last(history.forwarded))} forwarded, ${rate(last(history.failed))} failed or refused`,
  });
  const latency = new Chart({
    least: 0.0001,
    value: duration,
    series: [{ colour: '--accent' }, { colour: '--second', dash: [6, 3] }],
    data: () => [history.times, history.median, history.slow],
    label: () => `Time to answer: half within ${duration(last(history.median))}, 99 of 100 within ${duration(last(history.slow))}`,
  });
  return { rates, latency };
}

const key = (kind, name, value) => html`<span class=${`key ${kind}`}><span aria-hidden="true" class="stroke"></span>${name} <b>${value}</b></span>`;

export const plots = (app) => html`<section class="plots" aria-label="Traffic since this page was opened">
  <figure><figcaption><h2>Answers a second</h2>
    ${key('first', 'cluster', rate(app.history.own.at(-1)))} ${key('second', 'forwarded', rate(app.history.forwarded.at(-1)))} ${key('third', 'failed or refused', rate(app.history.failed.at(-1)))}</figcaption>
    ${app.charts.rates.element}</figure>
  <figure><figcaption><h2>Time to answer</h2>
    ${key('first', 'half within', duration(app.history.median.at(-1)))} ${key('second', '99 of 100 within', duration(app.history.slow.at(-1)))}</figcaption>
    ${app.charts.latency.element}</figure>
</section>`;

function freshness(families) {
  if (!families) return fact('From a task to its answer', '–');
  const counts = buckets(families, 'mesos_dns_zone_propagation_seconds');
  const total = counts.at(-1)?.[1] ?? 0;
  if (total === 0) return fact('From a task to its answer', '–', 'nothing changed yet');
  return fact('From a task to its answer', duration(quantile(counts, 0.5)), `half of ${number(total)} within; 99 of 100 within ${duration(quantile(counts, 0.99))}`);
}

function facts(app) {
  const { status } = app;
  const since = app.elapsed();
  const heartbeat = app.families && sum(app.families, 'mesos_dns_masters_heartbeat_interval_seconds');
  const masters = status.leader.masters.length;
  const last = (seconds) => (seconds === null ? null : seconds + since);
  return html`<dl class="facts">
    ${fact('Leader', status.leader.address ?? 'none', [status.leader.version && `Mesos ${status.leader.version}`, `${masters} ${masters === 1 ? 'master' : 'masters'}`].filter(Boolean).join(', '))}
    ${fact('Last word from it', age(last(status.lastContactSeconds)), heartbeat ? `${status.updates === 'events' ? 'a heartbeat' : 'a poll'} every ${heartbeat} s` : '')}
    ${fact('Data confirmed', age(last(status.ageSeconds)), status.updates === 'events' ? 'changes come as events' : 'changes are polled for')}
    ${freshness(app.families)}
    ${fact('Serial', String(status.serial), `changed ${age(last(status.lastChangeSeconds))}`)}
    ${fact('Content', status.contentHash.slice(0, 8), 'the same on servers that answer alike')}
  </dl>`;
}

const counts = ({ counts: all }) => html`<dl class="counts">
  ${[['tasks', 'tasks'], ['agents', ''], ['frameworks', ''], ['names', 'records'], ['records', 'records']].map(
    ([name, place]) => html`<div><dt>${name}</dt><dd>${place ? html`<a href=${`#/${place}`}>${number(all[name])}</a>` : number(all[name])}</dd></div>`,
  )}</dl>`;

const held = ({ held: what }) =>
  what ? html`<li>Who knows that the leader is right says so with <code>mesos-dns release</code>.</li>` : nothing;

function verdict(app) {
  const { status } = app;
  const kind = app.lostSince ? 'lost' : status.state;
  const [word, meaning] = STATES[kind];
  return html`<section class=${`verdict ${kind}`} aria-label="State">
    <p class="word"><span class="dot" aria-hidden="true"></span>${word}</p>
    <div><p>${meaning}</p>
    ${status.reasons.length || status.held ? html`<ul>${status.reasons.map((reason) => html`<li>${reason}</li>`)}${held(status)}</ul>` : nothing}</div>
  </section>`;
}

function troubles(app) {
  const kinds = [...app.troubles].filter(([, total]) => total > 0);
  return html`<section><h2>Problems</h2>
    ${app.families ? nothing : html`<p class="note">${app.metricsError ?? 'Reading…'}</p>`}
    ${app.counts > 0 && kinds.length === 0 ? html`<p class="note">Nothing is wrong with any name.</p>` : nothing}
    <ul class="plain">${kinds.map(([kind, total]) => html`<li><a href=${`#/problems?kind=${kind}`}>${kind.replaceAll('-', ' ')}</a> <b class="figure">${number(total)}</b></li>`)}</ul>
  </section>`;
}

function changes(app) {
  if (!app.enumerates) return nothing;
  const row = ({ sign, name, type, data, time }) => html`<tr class=${sign === '+' ? 'came' : 'went'}>
    <td class="figure">${time}</td><td><span aria-hidden="true">${sign}</span><span class="unseen">${sign === '+' ? 'came' : 'went'}</span></td>
    <th scope="row">${explainLink(name, type)}</th><td>${type}</td><td class="name">${data}</td></tr>`;
  return html`<section class="wide"><h2>Changes as they come</h2>
    ${app.changes.length === 0 ? html`<p class="note">${app.isFollowing ? 'None since this page was opened.' : 'The stream of changes is not connected.'}</p>` : nothing}
    <div class="scroll short" tabindex="0" role="region" aria-label="Table of changes"><table class="changes"><tbody>${app.changes.map(row)}</tbody></table></div></section>`;
}

export const overview = (app) => ({
  title: 'Overview',
  open: () => {},
  refresh: () => {},
  render: () =>
    app.status
      ? html`<h1 class="unseen">Overview</h1>${verdict(app)}${facts(app)}${counts(app.status)}${plots(app)}
          <div class="columns">${troubles(app)}${changes(app)}</div>`
      : html`<h1>Overview</h1><p class="note">Reading…</p>`,
});
