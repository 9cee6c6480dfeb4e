// The providers' own Node libraries as signers and verifiers.
//
// A JSON list of messages comes on standard input, each with `sdk`, `secret`, `body`, `time` (Unix seconds), `id` and
// `url`. One without `headers` is signed, and answered with the headers that the provider would send; one with `headers`
// is verified, and answered with true or false. Nothing is computed here: whatever is not the library's is not tested.

import { readFileSync } from "node:fs";

import { sign, verify } from "@octokit/webhooks-methods";
import * as standardwebhooks from "standardwebhooks";
import Stripe from "stripe";
import * as svix from "svix";

// The key is for Stripe's API, which nothing here calls.
const stripe = new Stripe("unused");

async function github({ secret, body }, headers) {
  if (headers === undefined) return { "X-Hub-Signature-256": await sign(secret, body) };
  return verify(secret, body, headers["x-hub-signature-256"]);
}

function stripeWebhook({ secret, body, time }, headers) {
  if (headers === undefined) {
    const value = stripe.webhooks.generateTestHeaderString({ payload: body, secret, timestamp: time });
    return { "Stripe-Signature": value };
  }
  const { StripeSignatureVerificationError } = Stripe.errors;
  return holds(StripeSignatureVerificationError, () =>
    stripe.webhooks.constructEvent(body, headers["stripe-signature"], secret),
  );
}

// Svix brings a copy of the other library with errors of its own: each is asked for its own.
function standard({ Webhook, WebhookVerificationError }, prefix, { secret, id, time, body }, headers) {
  const webhook = new Webhook(secret);
  if (headers === undefined) {
    const signature = webhook.sign(id, new Date(time * 1000), body);
    return { [`${prefix}-id`]: id, [`${prefix}-timestamp`]: `${time}`, [`${prefix}-signature`]: signature };
  }
  return holds(WebhookVerificationError, () => webhook.verify(body, headers));
}

// Whether a check does not throw its own error. Any other error is a fault of the test.
function holds(Refusal, check) {
  try {
    check();
    return true;
  } catch (error) {
    if (error instanceof Refusal) return false;
    throw error;
  }
}

const SDKS = {
  github,
  stripe: stripeWebhook,
  standardwebhooks: (message, headers) => standard(standardwebhooks, "webhook", message, headers),
  svix: (message, headers) => standard(svix, "svix", message, headers),
};

function answer(message) {
  const lower = ([name, value]) => [name.toLowerCase(), value];
  const headers = message.headers && Object.fromEntries(Object.entries(message.headers).map(lower));
  return SDKS[message.sdk](message, headers);
}

const messages = JSON.parse(readFileSync(0, "utf8"));
process.stdout.write(JSON.stringify(await Promise.all(messages.map(answer))));
