// Problems, traffic with the forwarder and its cache, and the configuration in force.

import { html, nothing, svg } from './lit-html.js';
import { get } from './api.js';
import { buckets, duration, quantile, rate, sum } from './charts.js';
import { number, off } from './lists.js';
import { plots } from './overview.js';

const SHOWN = 100;

const table = (label, head, rows) => html`<div class="scroll" tabindex="0" role="region" aria-label=${label}><table>
  <thead><tr>${head.map(([name, kind]) => html`<th scope="col" class=${kind ?? ''}>${name}</th>`)}</tr></thead><tbody>${rows}</tbody></table></div>`;

//------------ Problems -------------------------------------------------------

const words = (kind) => kind.replaceAll('-', ' ');

const owner = ({ framework, task, agent, ...others }) =>
  [task && `task ${task}`, agent && `agent ${agent}`, framework && `framework ${framework}`, ...Object.entries(others).map(([name, value]) => `${name} ${value}`)].filter(Boolean).join(', ');

const problem = (one) => html`<tr><th scope="row">${words(one.kind)}<small>${one.reason}</small></th>
  <td class="name">${one.names.map((name) => html`${name}<br>`)}</td>
  <td>${one.owners.map((who) => html`<span class="name">${owner(who)}</span><br>`)}</td>
  <td class="figure">${number(one.tasks)}</td><td class="figure">${new Date(one.since * 1000).toLocaleString('en-GB')}</td></tr>`;

export function problems(app) {
  let kind = '';
  let shown = SHOWN;
  let answer;
  let error;
  const read = async () => {
    if (!app.enumerates) return;
    try {
      answer = await get('v2/problems', { kind });
      error = undefined;
    } catch (failed) {
      error = failed.message;
    }
    app.draw();
  };
  const choice = ([name, total]) => html`<option value=${name} ?selected=${name === kind}>${words(name)} (${number(total)})</option>`;
  const content = () => html`
    <p>${Object.values(answer.kinds).reduce((all, { total }) => all + total, 0) === 0 ? 'Nothing is wrong with any name.' : nothing}
      ${Object.entries(answer.kinds).filter(([, { total, listed }]) => total > listed).map(([name, { total, listed }]) => html`<br>Of ${words(name)}, ${number(listed)} of ${number(total)} are listed.`)}</p>
    ${answer.problems.length ? table('Table of problems', [['problem'], ['names'], ['who'], ['tasks', 'figure'], ['since', 'figure']], answer.problems.slice(0, shown).map(problem)) : nothing}
    ${answer.problems.length > shown ? html`<div class="pages"><span class="count">${shown} of ${number(answer.problems.length)}</span>
      <button type="button" @click=${() => { shown += SHOWN; app.draw(); }}>More</button></div>` : nothing}
    <p class="quiet">Counted ${new Date(answer.countedAt * 1000).toLocaleString('en-GB')}, of version ${answer.version}. Left out of the last document: ${Object.values(answer.skipped).reduce((all, count) => all + count, 0)} parts.</p>`;
  return {
    title: 'Problems',
    open: (parameters) => {
      [kind, shown, answer] = [parameters.kind ?? '', SHOWN, undefined];
      return read();
    },
    refresh: read,
    render: () =>
      app.enumerates
        ? html`<h1>Problems</h1><form class="filters"><label>Kind<select @change=${(event) => app.go('problems', { kind: event.target.value })}>
            <option value="" ?selected=${kind === ''}>all</option>${[...app.troubles].filter(([name, total]) => total > 0 || name === kind).map(choice)}</select></label></form>
            ${error ? html`<p class="note bad" role="alert">${error}</p>` : nothing}${answer ? content() : error ? nothing : html`<p class="note">Reading…</p>`}`
        : html`<h1>Problems</h1>${off()}`,
  };
}

//------------ Traffic --------------------------------------------------------

// Sums of one metric by one label, the largest first, those that are 0 left out.
function by(families, name, label) {
  const sums = new Map();
  for (const { labels, value } of families.get(name) ?? []) sums.set(labels[label], (sums.get(labels[label]) ?? 0) + value);
  return [...sums].filter(([, value]) => value > 0).sort(([, a], [, b]) => b - a);
}

const share = (part, whole) => (whole > 0 ? `${((100 * part) / whole).toFixed(1)} %` : '–');

const bar = (part, whole) => svg`<svg class="bar" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true"><rect width="100" height="6" class="back"></rect><rect width=${whole > 0 ? (100 * part) / whole : 0} height="6"></rect></svg>`;

function sums(title, rows) {
  const whole = rows.reduce((all, [, value]) => all + value, 0);
  return html`<section><h2>${title}</h2>${rows.length === 0 ? html`<p class="note">None yet.</p>` : html`<table class="sums"><tbody>
    ${rows.map(([name, value]) => html`<tr><th scope="row">${name}</th><td class="figure">${number(value)}</td><td class="figure">${share(value, whole)}</td><td>${html`${bar(value, whole)}`}</td></tr>`)}</tbody></table>`}</section>`;
}

function servers(families) {
  const known = ['mesos_dns_forward_server_ill', 'mesos_dns_forward_tries_total'].flatMap((name) => families.get(name) ?? []);
  const names = [...new Set(known.map(({ labels }) => labels.server))];
  if (names.length === 0) return html`<p class="note">No server is configured to be asked for other names, or none was asked yet.</p>`;
  const of = (name, server, more = () => true) => sum(families, name, (labels) => labels.server === server && more(labels));
  const row = (server) => {
    const tries = of('mesos_dns_forward_tries_total', server);
    const answers = of('mesos_dns_forward_tries_total', server, ({ result }) => result === 'answer');
    const isIll = of('mesos_dns_forward_server_ill', server) > 0;
    return html`<tr class=${isIll ? 'ill' : ''}><th scope="row" class="name">${server}</th><td>${isIll ? html`<span class="health unhealthy"><span aria-hidden="true">▲</span> ill</span>` : html`<span class="health healthy"><span aria-hidden="true">●</span> well</span>`}</td>
      <td class="figure">${duration(of('mesos_dns_forward_server_time_seconds', server))}</td><td class="figure">${number(of('mesos_dns_forward_in_flight', server))}</td><td class="figure">${number(tries)}</td><td class="figure">${share(answers, tries)}</td></tr>`;
  };
  return table('Table of servers', [['server'], ['state'], ['time', 'figure'], ['in flight', 'figure'], ['messages', 'figure'], ['answered', 'figure']], names.map(row));
}

function cache(families) {
  const hits = sum(families, 'mesos_dns_forward_cache_answers_total');
  const misses = sum(families, 'mesos_dns_forward_cache_misses_total');
  const bytes = sum(families, 'mesos_dns_forward_cache_bytes');
  const most = sum(families, 'mesos_dns_forward_cache_capacity_bytes');
  const row = (name, value, more) => html`<div><dt>${name}</dt><dd>${value}<small>${more}</small></dd></div>`;
  return html`<dl class="facts">
    ${row('From memory', share(hits, hits + misses), `of ${number(hits + misses)} questions`)}
    ${row('Remembered', number(sum(families, 'mesos_dns_forward_cache_entries')), 'answers')}
    ${row('Memory', `${(bytes / 2 ** 20).toFixed(1)} MiB`, `of ${(most / 2 ** 20).toFixed(0)} MiB`)}
    ${row('Let go for room', number(sum(families, 'mesos_dns_forward_cache_evictions_total')), 'since the start')}
    ${row('Under way', number(sum(families, 'mesos_dns_forward_outstanding')), 'exchanges; 1,000 at most')}
    ${row('An exchange takes', duration(quantile(buckets(families, 'mesos_dns_forward_exchange_seconds'), 0.5)), 'half of them, since the start')}</dl>`;
}

export const traffic = (app) => ({
  title: 'Traffic',
  open: () => {},
  refresh: () => {},
  render: () => {
    const { families } = app;
    if (!families) return html`<h1>Traffic</h1><p class="note">${app.metricsError ?? 'Reading…'}</p>`;
    return html`<h1>Traffic</h1>${plots(app)}
      <div class="columns">${sums('Questions by type', by(families, 'mesos_dns_dns_questions_total', 'type'))}
      ${sums('Answers by code', by(families, 'mesos_dns_dns_responses_total', 'rcode'))}
      ${sums('Questions by transport', by(families, 'mesos_dns_dns_queries_total', 'transport'))}</div>
      <p class="quiet">Sums since the start of the program. Not sent because of the rate limit: ${rate(sum(families, 'mesos_dns_dns_rate_limited_total'))}.</p>
      <h2>Forwarder</h2>${servers(families)}
      <h2>Its cache</h2>${cache(families)}`;
  },
});

//------------ Configuration --------------------------------------------------

const shown = (value) => (typeof value === 'string' && value !== '' ? value : JSON.stringify(value));

export function configuration(app) {
  let find = '';
  let isChanged = false;
  let answer;
  let error;
  const read = async () => {
    try {
      answer = await get('v2/config');
      error = undefined;
    } catch (failed) {
      error = failed.message;
    }
    app.draw();
  };
  const differs = (key) => key.origin !== 'default';
  const wanted = (key) => (!isChanged || differs(key)) && `${key.key} ${key.meaning}`.toLowerCase().includes(find.toLowerCase());
  const row = (key) => html`<tr class=${differs(key) ? 'set' : ''}><th scope="row">${key.key}<small>${key.meaning}${key.effective ? '' : ' Without effect in this version.'}</small></th>
    <td class="name value">${shown(key.value)}${key.unit ? html` <span class="quiet">${key.unit}</span>` : nothing}</td>
    <td class="name value quiet">${differs(key) ? shown(key.default) : ''}</td><td>${key.origin}</td></tr>`;
  return {
    title: 'Configuration',
    open: (parameters) => {
      [find, isChanged] = [parameters.find ?? '', false];
      return read();
    },
    refresh: read,
    render: () => html`<h1>Configuration</h1>
      <form class="filters" role="search" aria-label="Filter configuration" @submit=${(event) => event.preventDefault()}>
        <label>Key<input type="search" autocomplete="off" spellcheck="false" .value=${find} @input=${(event) => { find = event.target.value; app.draw(); }}></label>
        <label class="check"><input type="checkbox" .checked=${isChanged} @change=${(event) => { isChanged = event.target.checked; app.draw(); }}> only what is set</label></form>
      ${error ? html`<p class="note bad" role="alert">${error}</p>` : nothing}
      ${answer ? html`<p class="quiet">In force now, from <span class="name">${answer.file}</span>. Secrets are masked.</p>
        ${table('Table of keys', [['key'], ['value'], ['default'], ['from']], answer.keys.filter(wanted).map(row))}` : nothing}`,
  };
}

