"""A runner in Python: does the steps of the workflow "claim" over HTTP. It needs nothing but the standard library.

    CLAIM_RUNNER_SECRET=… python3 runner.py --port 8787 --ledger ledger.jsonl

1. It keeps no state: what has been done comes with every turn, so it may die at any time and start anew.
2. A turn may come twice, and its answer may be lost: what touches the outside does so once for a key of its own.
3. It answers only whoever knows the secret, and only what was signed in the last five minutes.
"""

import argparse
import base64
import hashlib
import hmac
import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SIGNED_WITHIN_SECONDS = 300
BODY_BYTES_MAX = 6_000_000


def next_action(turn, ledger):
    """The protocol's heart: from what has been done to what comes next."""
    steps = turn["completed_steps"]
    done = {step["name"]: step.get("output") for step in steps if step["status"] == "completed"}
    failures = [step for step in steps if step["status"] == "failed" and step["name"] == "valuation"]
    claim = turn["input"]

    if "damages" not in done:
        return complete("damages", sorted(claim["damages"], key=lambda damage: -damage["cents"]))
    if "valuation" not in done:
        # The valuation service is busy at first: Stepfold asks again, as often as `maxRetries` says.
        if claim.get("busy", 0) > len(failures):
            return {"action": "fail", "step_name": "valuation", "error": {"name": "Busy", "message": "try again"}}
        return complete("valuation", valued(done["damages"], claim.get("slow_seconds", 0)))
    if turn["current_step"] == 2:
        return {"action": "sleep", "duration": claim.get("objection", "14 days")}
    if "event:photos" not in done:
        return {"action": "wait_event", "event": "photos"}
    if "payout" not in done:
        if not done["event:photos"]["plausible"]:
            return {"action": "complete", "output": {"claim": claim["id"], "paid_cents": 0}}
        return complete("payout", pay(ledger, claim["id"], done["valuation"]["cents"]))
    return {"action": "complete", "output": {"claim": claim["id"], "paid_cents": done["payout"]["cents"]}}


def complete(step, output):
    return {"action": "step_complete", "step_name": step, "output": output}


def valued(damages, slow_seconds):
    time.sleep(slow_seconds)
    total = sum(damage["cents"] for damage in damages)
    return {"cents": total, "excess_cents": min(total, 15_000)}


def pay(ledger, claim, cents):
    """Pays once for a claim, however often it is asked to: one line of the ledger for each."""
    paid = {"claim": claim, "cents": cents}
    if not any(line["claim"] == claim for line in read_ledger(ledger)):
        with open(ledger, "a", encoding="utf-8") as file:
            file.write(json.dumps(paid) + "\n")
            file.flush()
            os.fsync(file.fileno())
    return paid


def read_ledger(ledger):
    if not os.path.exists(ledger):
        return []
    with open(ledger, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def is_signed(secret, headers, body, now):
    """Standard Webhooks: HMAC-SHA256 over id, timestamp and body, in base64."""
    turn_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not timestamp.isdigit() or abs(now - int(timestamp)) > SIGNED_WITHIN_SECONDS:
        return False
    key = base64.b64decode(secret[6:]) if secret.startswith("whsec_") else secret.encode()
    signed = f"{turn_id}.{timestamp}.".encode() + body
    expected = b"v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest())
    given = headers.get("webhook-signature", "").encode().split()
    return any(hmac.compare_digest(expected, one) for one in given)


def handler(secret, ledger):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            length = int(self.headers.get("content-length", "0"))
            if length > BODY_BYTES_MAX:
                return self.answer(413, {"error": "too large"})
            body = self.rfile.read(length)
            if not is_signed(secret, self.headers, body, time.time()):
                return self.answer(401, {"error": "not signed by Stepfold"})
            turn = json.loads(body)
            print("turn", turn["workflow_id"], self.headers["webhook-id"], turn["current_step"], flush=True)
            return self.answer(200, next_action(turn, ledger))

        def answer(self, status, value):
            text = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_):
            pass

    return Handler


def main():
    parser = argparse.ArgumentParser(description="Does the steps of the workflow claim.")
    parser.add_argument("--port", type=int, default=8787)
    parser.add_argument("--ledger", default="ledger.jsonl")
    parser.add_argument("--once", action="store_true", help="answer one turn from standard input, and end")
    options = parser.parse_args()
    if options.once:
        json.dump(next_action(json.load(sys.stdin), options.ledger), sys.stdout)
        return
    secret = os.environ.get("CLAIM_RUNNER_SECRET")
    if not secret:
        sys.exit("Expected CLAIM_RUNNER_SECRET to hold the secret that turns are signed with.")
    server = ThreadingHTTPServer(("127.0.0.1", options.port), handler(secret, options.ledger))
    print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
