// Live charts, and the history that they show: what the counters did since the page was opened.

/* global uPlot */

// Twenty minutes at two seconds.
const POINTS = 600;
// Percentiles of fewer answers than these look at more samples.
const WINDOW = 5;

const sum = (families, name, wanted = () => true) =>
  (families.get(name) ?? []).filter(({ labels }) => wanted(labels)).reduce((all, { value }) => all + value, 0);

export { sum };

// Counts of a histogram by upper bound, all series together.
export function buckets(families, name) {
  const counts = new Map();
  for (const { labels, value } of families.get(`${name}_bucket`) ?? []) {
    const bound = labels.le === '+Inf' ? Infinity : Number(labels.le);
    counts.set(bound, (counts.get(bound) ?? 0) + value);
  }
  return [...counts].sort(([a], [b]) => a - b);
}

// The value below which this share of a histogram lies, between bounds in a straight line; null without any.
export function quantile(counts, share) {
  const total = counts.at(-1)?.[1] ?? 0;
  if (total <= 0) return null;
  let [lower, before] = [0, 0];
  for (const [bound, count] of counts) {
    if (count >= total * share) {
      if (bound === Infinity) return lower;
      return lower + ((bound - lower) * (total * share - before)) / Math.max(count - before, 1);
    }
    [lower, before] = [bound, count];
  }
  return lower;
}

const minus = (now, before) => {
  const old = new Map(before);
  return now.map(([bound, count]) => [bound, count - (old.get(bound) ?? 0)]);
};

// What was read, and what follows from two reads.
export class History {
  #reads = [];
  times = [];
  own = [];
  forwarded = [];
  failed = [];
  median = [];
  slow = [];

  add(time, families) {
    const source = (name) => (labels) => labels.source === name;
    const bad = (labels) => labels.rcode === 'SERVFAIL' || labels.rcode === 'REFUSED';
    const read = {
      time,
      own: sum(families, 'mesos_dns_dns_responses_total', source('zone')),
      forwarded: sum(families, 'mesos_dns_dns_responses_total', source('forwarded')),
      failed: sum(families, 'mesos_dns_dns_responses_total', bad),
      latency: buckets(families, 'mesos_dns_dns_answer_seconds'),
    };
    const before = this.#reads.at(-1);
    // Counters that fall belong to another process.
    if (before && read.own < before.own) this.#reads = [];
    else if (before) this.#step(before, read);
    this.#reads.push(read);
    if (this.#reads.length > WINDOW) this.#reads.shift();
  }

  #step(before, read) {
    const rate = (key) => (read[key] - before[key]) / (read.time - before.time);
    const latency = minus(read.latency, this.#reads[0].latency);
    const point = [read.time, rate('own'), rate('forwarded'), rate('failed'), quantile(latency, 0.5), quantile(latency, 0.99)];
    [this.times, this.own, this.forwarded, this.failed, this.median, this.slow].forEach((row, index) => {
      row.push(point[index]);
      if (row.length > POINTS) row.shift();
    });
  }
}

export const rate = (value) =>
  value == null ? '–' : value.toLocaleString('en', { maximumFractionDigits: value < 10 ? 1 : 0 });

export function duration(seconds) {
  if (seconds == null) return '–';
  for (const [unit, size] of [['s', 1], ['ms', 1e-3], ['µs', 1e-6]]) {
    if (seconds >= size || unit === 'µs') return `${Number((seconds / size).toPrecision(2))} ${unit}`;
  }
}

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// A chart in an element of its own, which stays the same while what is around it is drawn anew.
export class Chart {
  element = document.createElement('div');
  #plot;
  #spec;

  constructor(spec) {
    this.#spec = spec;
    this.element.className = 'chart';
    this.element.setAttribute('role', 'img');
    new ResizeObserver(() => this.#resize()).observe(this.element);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#forget());
  }

  show() {
    const data = this.#spec.data();
    this.element.setAttribute('aria-label', this.#spec.label());
    if (this.element.clientWidth === 0) return;
    if (this.#plot) this.#plot.setData(data);
    else this.#plot = this.#draw(data);
  }

  #forget() {
    this.#plot?.destroy();
    this.#plot = undefined;
    this.show();
  }

  #resize() {
    if (!this.#plot) this.show();
    else this.#plot.setSize({ width: this.element.clientWidth, height: this.#height() });
  }

  #height() {
    return 170;
  }

  #draw(data) {
    const axis = { stroke: colour('--quiet'), grid: { stroke: colour('--line'), width: 1 }, ticks: { show: false }, font: '12px system-ui, sans-serif' };
    const clock = (_, times) => times.map((time) => new Date(time * 1000).toLocaleTimeString('en-GB'));
    const values = (_, ticks) => ticks.map((tick) => (tick === null ? '' : this.#spec.value(tick)));
    return new uPlot(
      {
        width: this.element.clientWidth,
        height: this.#height(),
        legend: { show: false },
        cursor: { drag: { x: false, y: false } },
        scales: { x: { time: true }, y: { range: (_, __, most) => [0, Math.max(most ?? 0, this.#spec.least) * 1.1] } },
        axes: [{ ...axis, values: clock, space: 90, size: 30 }, { ...axis, values, size: 62, space: 26 }],
        series: [
          {},
          ...this.#spec.series.map(({ colour: name, dash, fill }) => ({
            stroke: colour(name),
            fill: fill ? colour(fill) : undefined,
            width: 1.5,
            dash,
            points: { show: false },
            spanGaps: false,
          })),
        ],
      },
      data,
      this.element,
    );
  }
}
