// Stripe's SDK for Node behind JSON lines: one question per line on stdin, one answer per line on stdout.
//
//   {"do": "call", "base": "http://127.0.0.1:1", "key": "sk_test_...", "method": "checkout.sessions.retrieve",
//    "id": "cs_...", "params": {...}, "options": {"idempotency_key": "...", "retries": 2, "version": "..."}}
//   {"do": "event", "body": "<base64>", "header": "t=...", "secret": "whsec_...", "at": 1795400000}
//   {"do": "sign", "body": "<base64>", "secret": "whsec_...", "at": 1795400000}
//
// The answer is {"ok": ..., "reply": {...}} or {"error": {...}}.
import { createInterface } from 'node:readline';
import Stripe from 'stripe';

const clients = new Map();

function client(base, key) {
  const name = `${base} ${key}`;
  if (!clients.has(name)) {
    const { protocol, hostname, port } = new URL(base);
    const options = { protocol: protocol.slice(0, -1), host: hostname, port, maxNetworkRetries: 0, timeout: 20_000 };
    clients.set(name, new Stripe(key, options));
  }
  return clients.get(name);
}

async function call({ base, key, method, id, params, options = {} }) {
  const names = method.replaceAll(/_(\w)/g, (_, letter) => letter.toUpperCase()).split('.');
  const action = names.pop();
  const resource = names.reduce((parent, name) => parent[name], client(base, key));
  const settings = {};
  if (options.idempotency_key !== undefined) settings.idempotencyKey = options.idempotency_key;
  if (options.retries !== undefined) settings.maxNetworkRetries = options.retries;
  if (options.version !== undefined) settings.apiVersion = options.version;
  const found = await resource[action](...(id === undefined ? [] : [id]), params ?? {}, settings);
  const { requestId, statusCode, headers, idempotencyKey } = found.lastResponse;
  const reply = { status: statusCode, request_id: requestId, version: headers['stripe-version'] };
  return { ok: found, reply: { ...reply, idempotency_key: idempotencyKey ?? null } };
}

function event({ body, header, secret, at }) {
  const received = at === undefined ? undefined : at * 1000;
  const payload = Buffer.from(body, 'base64');
  return { ok: Stripe.webhooks.constructEvent(payload, header, secret, undefined, undefined, received) };
}

function sign({ body, secret, at }) {
  const payload = Buffer.from(body, 'base64').toString('utf8');
  return { ok: Stripe.webhooks.generateTestHeaderString({ payload, secret, timestamp: at }) };
}

function refusal(error) {
  const { type, rawType, code, param, statusCode, requestId, message } = error;
  return { error: { class: type ?? error.name, type: rawType, code, param, status: statusCode, request_id: requestId, message } };
}

const actions = { call, event, sign };
for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  try {
    const question = JSON.parse(line);
    answer = await actions[question.do](question);
  } catch (error) {
    answer = refusal(error);
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
