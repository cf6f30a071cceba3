// The public API, and nothing else: lists and things of /v2/, the metrics, the stream of changes.
//
// Whether there is a connection, and whether a token is wanted, is told to whoever listens here: a page that shows old
// data without saying so is worse than none.

const KEY = 'mesos-dns-token';
const PATIENCE_MS = 15_000;
// The stream sends a comment every 15 seconds: longer silence is no connection.
const SILENCE_MS = 40_000;

export const events = new EventTarget();

const tell = (type, detail) => events.dispatchEvent(new CustomEvent(type, { detail }));

// An answer that is no good: its status, and what the server says is wrong.
export class Failure extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

export function useToken(token) {
  sessionStorage.setItem(KEY, token);
}

function headers(accept) {
  const token = sessionStorage.getItem(KEY);
  const all = { Accept: accept };
  if (token) all.Authorization = `Bearer ${token}`;
  return all;
}

async function ask(path, accept, signal, more = {}) {
  let response;
  try {
    response = await fetch(path, { headers: { ...headers(accept), ...more }, signal, credentials: 'omit' });
  } catch (error) {
    if (!(error instanceof DOMException && error.name === 'AbortError')) tell('lost');
    throw error;
  }
  tell('found');
  if (response.ok) return response;
  if (response.status === 401) tell('token-wanted', sessionStorage.getItem(KEY) !== null);
  throw await failure(response);
}

async function failure(response) {
  const text = await response.text().catch(() => '');
  try {
    return new Failure(response.status, JSON.parse(text).detail);
  } catch {
    return new Failure(response.status, text.trim() || response.statusText);
  }
}

const patience = (signal) =>
  signal ? AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_MS)]) : AbortSignal.timeout(PATIENCE_MS);

// A path with parameters; those without a value are left out.
export function path(base, parameters = {}) {
  const set = Object.entries(parameters).filter(([, value]) => value !== undefined && value !== '');
  return set.length === 0 ? base : `${base}?${new URLSearchParams(set)}`;
}

// A value of the API.
export async function get(base, parameters, signal) {
  const response = await ask(path(base, parameters), 'application/json', patience(signal));
  return response.json();
}

// All metrics: by name, a list of labels and values.
export async function metrics() {
  const response = await ask('metrics', 'application/openmetrics-text, text/plain;q=0.5', patience());
  return parse(await response.text());
}

export function parse(text) {
  const families = new Map();
  for (const line of text.split('\n')) {
    const read = /^([a-z_:][a-z0-9_:]*)(?:\{(.*)\})? ([^ ]+)/i.exec(line);
    if (!read) continue;
    const [, name, inner, value] = read;
    const labels = {};
    for (const [, key, label] of (inner ?? '').matchAll(/([a-z_0-9]+)="((?:[^"\\]|\\.)*)"/gi)) labels[key] = label;
    if (!families.has(name)) families.set(name, []);
    families.get(name).push({ labels, value: Number(value.replace('Inf', 'Infinity')) });
  }
  return families;
}

// Follows the changes for as long as the page is open. EventSource cannot send a token, so the stream is read by hand.
export async function follow(onEvent) {
  let last;
  let pause = 1_000;
  for (;;) {
    try {
      const more = last ? { 'Last-Event-ID': last } : {};
      const stop = new AbortController();
      const response = await ask('v2/watch', 'text/event-stream', stop.signal, more);
      tell('following', true);
      pause = 1_000;
      await each(response.body, stop, (event) => {
        last = event.id ?? last;
        if (event.data) onEvent(event.type, JSON.parse(event.data));
      });
    } catch (error) {
      if (error instanceof Failure && error.status === 404) return;
    }
    tell('following', false);
    await new Promise((resolve) => setTimeout(resolve, pause));
    pause = Math.min(pause * 2, 10_000);
  }
}

// Cuts a body into events, as the HTML standard has them.
async function each(body, stop, onEvent) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  for (;;) {
    const timer = setTimeout(() => stop.abort(), SILENCE_MS);
    const { done, value } = await reader.read().finally(() => clearTimeout(timer));
    if (done) return;
    text += value;
    const parts = text.split('\n\n');
    text = parts.pop();
    parts.forEach((part) => onEvent(read(part)));
  }
}

function read(part) {
  const event = { type: 'message', id: undefined, data: '' };
  for (const line of part.split('\n')) {
    const [, field, value] = /^([a-z]+): ?(.*)$/.exec(line) ?? [];
    if (field === 'event') event.type = value;
    if (field === 'id') event.id = value;
    if (field === 'data') event.data += value;
  }
  return event;
}
