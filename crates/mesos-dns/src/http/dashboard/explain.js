// Why a question gets its answer: the server's own trace, written out.

import { html, nothing } from './lit-html.js';
import { get } from './api.js';
import { explainLink, number, off } from './lists.js';

const TYPES = ['A', 'AAAA', 'SRV', 'TXT', 'CNAME', 'MX', 'NS', 'PTR', 'SOA', 'HTTPS', 'ANY'];

const OUTCOMES = {
  answer: 'There is an answer.',
  'no-data': 'The name is there; this type is not.',
  'no-name': 'The name is not there.',
  forwarded: 'The name is not ours: others are asked.',
  local: 'It is answered here, without the cluster.',
  refused: 'It is refused.',
  failed: 'It fails.',
};

const step = ({ says, value, setting }) => html`<li>${says}${value ? html`: <b class="name">${value}</b>` : nothing}
  ${setting ? html` <a class="mark" href=${`#/configuration?${new URLSearchParams({ find: setting })}`}>${setting}</a>` : nothing}</li>`;

const steps = (all) => (all.length ? html`<ul class="steps">${all.map(step)}</ul>` : nothing);

function who({ kind, task, framework, agent }) {
  const named = { task, framework, agent }[kind];
  return html`<p class="who">${kind} ${named ? html`<b>${named.name || named.id}</b>` : nothing}
    ${kind === 'task' && framework ? html` of <b>${framework.name}</b>` : nothing}
    ${kind === 'task' && agent ? html` on <b>${agent.name}</b>` : nothing}
    ${named && named.name ? html`<span class="name quiet">${named.id}</span>` : nothing}</p>`;
}

const contributor = (one) => html`${who(one)}${steps(one.why)}
  ${one.notTaken?.length ? html`<p class="quiet">Not taken:</p>${steps(one.notTaken)}` : nothing}`;

function since(what) {
  if (!what) return nothing;
  const time = what.serial ? ` since ${new Date(what.serial * 1000).toLocaleString('en-GB')}` : '';
  return html`<p class="quiet">${what.isExact ? 'Answered' : 'Answered at least'}${time || ' since'}${time ? ',' : ''} version ${what.version}${what.by?.length ? `, which came by ${what.by.join(', ')}` : ''}</p>`;
}

const record = (one) => html`<li><details>
  <summary><span class="place figure">${one.position ?? '–'}</span> <b class="name">${one.data}</b> <span class="quiet">${one.type}, TTL ${one.ttl}${one.position ? '' : ', left out of this answer'}</span></summary>
  ${since(one.since)}${steps(one.why)}${one.contributors.map(contributor)}
  ${one.contributorsTotal > one.contributors.length ? html`<p class="quiet">and ${number(one.contributorsTotal - one.contributors.length)} more</p>` : nothing}
</details></li>`;

const dropped = (one) => html`<li><details>
  <summary><b class="name">${one.data ?? 'no data'}</b> <span class="quiet">${one.butFor.map(({ says }) => says).join('; ')}</span></summary>
  ${who(one.candidate)}<p>It would be there but for:</p>${steps(one.butFor)}${one.candidate.why.length ? html`<p class="quiet">Besides:</p>${steps(one.candidate.why)}` : nothing}
</details></li>`;

const listed = (title, all, total, row) =>
  all.length === 0
    ? nothing
    : html`<h2>${title} <small>${number(total)}</small></h2><ul class="records">${all.map(row)}</ul>
      ${total > all.length ? html`<p class="quiet">${number(all.length)} of ${number(total)} are shown.</p>` : nothing}`;

function told(all) {
  const { question, verdict, data } = all;
  return html`<section class=${`answer ${verdict.outcome}`} aria-label="Explanation">
    <p class="asked"><b class="name">${question.name}</b> ${question.type}, asked by <span class="name">${question.client}</span></p>
    <p class="outcome">${OUTCOMES[verdict.outcome] ?? verdict.outcome}${verdict.rcode ? html` <span class="mark">${verdict.rcode}</span>` : nothing}${verdict.truncated ? html` <span class="mark">truncated</span>` : nothing}</p>
    ${steps(verdict.why)}
    ${all.path.map((alias) => html`<p>${explainLink(alias.name)} stands for ${explainLink(alias.target)}</p>`)}
    ${all.nearest ? html`<p>The nearest name above that is there: ${explainLink(all.nearest)}</p>` : nothing}
    ${all.nearMisses.length ? html`<p>Did you mean:</p><ul>${all.nearMisses.map((near) => html`<li>${explainLink(near.name)} <span class="quiet">written ${near.written}</span></li>`)}</ul>` : nothing}
    ${all.forward ? html`<p>${all.forward.zone ? `By the rule for ${all.forward.zone}` : 'By the resolvers'}: ${all.forward.servers.join(', ') || 'nobody'}</p>` : nothing}
    ${listed('Records, in the order of this answer', all.records, all.recordsTotal, record)}
    ${all.order.length ? html`<h2>Why in this order</h2>${steps(all.order)}` : nothing}
    ${listed('Left out', all.dropped, all.droppedTotal, dropped)}
    ${all.problems.length ? html`<h2>Problems</h2><ul>${all.problems.map((one) => html`<li>${one.reason}: ${one.names.join(', ')}</li>`)}</ul>` : nothing}
    <p class="quiet">From ${data.origin}${data.leader ? ` of ${data.leader}` : ''}, ${data.state}, version ${data.version}, serial ${data.serial}.</p>
  </section>`;
}

export function explain(app) {
  let parameters = {};
  let answer;
  let error;
  let abort;

  async function open(wanted) {
    parameters = wanted;
    answer = error = undefined;
    abort?.abort();
    if (!wanted.name || !app.enumerates) return;
    abort = new AbortController();
    const { signal } = abort;
    try {
      answer = await get('v2/explain', { name: wanted.name, type: wanted.type, client: wanted.client }, signal);
    } catch (failed) {
      if (signal.aborted) return;
      error = failed.message;
    }
    app.draw();
  }

  function submit(event) {
    event.preventDefault();
    const all = Object.fromEntries(new FormData(event.target));
    app.go('explain', { name: all.name.trim(), type: all.type, client: all.client.trim() });
  }

  const form = () => html`<form class="filters" @submit=${submit}>
    <label class="long">Name<input name="name" required autocomplete="off" spellcheck="false" autocapitalize="none" placeholder=${`web.marathon.${app.status?.zone.domain ?? 'mesos'}`} .value=${parameters.name ?? ''}></label>
    <label>Type<select name="type">${TYPES.map((type) => html`<option ?selected=${type === (parameters.type ?? 'A')}>${type}</option>`)}</select></label>
    <label>Asked by<input name="client" autocomplete="off" placeholder="127.0.0.1" .value=${parameters.client ?? ''}></label>
    <button type="submit">Explain</button></form>`;

  return {
    title: 'Explain',
    open,
    // An explanation is of one moment: it stays until somebody asks again.
    refresh: () => {},
    render: () =>
      app.enumerates
        ? html`<h1>Explain</h1>${form()}
            ${error ? html`<p class="note bad" role="alert">${error}</p>` : nothing}
            ${answer ? told(answer) : parameters.name && !error ? html`<p class="note">Reading…</p>` : nothing}
            ${parameters.name ? nothing : html`<p class="note">Ask for a name: which tasks are behind it, which are not, and which rule says so.</p>`}`
        : html`<h1>Explain</h1>${off()}`,
  };
}
