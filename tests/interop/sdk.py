"""Stripe's SDK for Python behind JSON lines; the questions and answers are those of sdk.js."""

import base64
import json
import sys
from unittest import mock

import stripe

clients = {}


def client(base, key):
    if (base, key) not in clients:
        clients[base, key] = stripe.StripeClient(key, base_addresses={"api": base}, max_network_retries=0)
    return clients[base, key]


def call(base, key, method, params=None, options=None, **more):
    *names, action = method.split(".")
    resource = client(base, key).v1
    for name in names:
        resource = getattr(resource, name)
    options = options or {}
    settings = {
        theirs: options[ours]
        for ours, theirs in (
            ("idempotency_key", "idempotency_key"),
            ("retries", "max_network_retries"),
            ("version", "stripe_version"),
        )
        if ours in options
    }
    ids = [more["id"]] if "id" in more else []
    found = getattr(resource, action)(*ids, params or {}, settings)
    answer = found.last_response
    reply = {
        "status": answer.code,
        "request_id": answer.request_id,
        "version": answer.headers.get("stripe-version"),
        "idempotency_key": answer.idempotency_key,
    }
    return {"ok": plain(found), "reply": reply}


def event(body, header, secret, at=None):
    payload = base64.b64decode(body)
    if at is None:
        return {"ok": plain(stripe.Webhook.construct_event(payload, header, secret))}
    with mock.patch("stripe._webhook.time.time", return_value=float(at)):
        return {"ok": plain(stripe.Webhook.construct_event(payload, header, secret))}


def sign(body, secret, at):
    payload = base64.b64decode(body).decode("utf-8")
    return {"ok": stripe.WebhookSignature.generate_signature_header(payload, secret, at)}


def plain(found):
    return json.loads(str(found))


def refusal(error):
    raw = getattr(error, "error", None)
    return {
        "error": {
            "class": type(error).__name__,
            "type": getattr(raw, "type", None),
            # Not every class passes these on; the object that came from the API has them.
            "code": getattr(raw, "code", None),
            "param": getattr(raw, "param", None),
            "status": getattr(error, "http_status", None),
            "request_id": getattr(error, "request_id", None),
            "message": str(error),
        }
    }


ACTIONS = {"call": call, "event": event, "sign": sign}
for line in sys.stdin:
    try:
        question = json.loads(line)
        answer = ACTIONS[question.pop("do")](**question)
    except Exception as error:
        answer = refusal(error)
    print(json.dumps(answer), flush=True)
