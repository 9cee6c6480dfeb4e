// The providers' own Node libraries as signers and verifiers.
//
// A JSON list of messages comes on standard input, each with `sdk`, `secret`, `body`, `time` (Unix seconds), `id`,
// `url` and `headers`. One without `signed` is signed, and answered with the headers that the provider would send and
// the body; one with it is verified, and answered with true or false. Nothing is computed here: whatever is not the
// library's is not tested.
//
// Each function is one provider's. It is handed the message and, to verify, the headers by their lower-case names; to
// sign it gives back headers, or puts the signature into the message's body. Libraries that only verify are never asked
// to sign. A library is loaded when a message asks for it.

import { createPublicKey } from "node:crypto";
import { readFileSync } from "node:fs";
import https from "node:https";
import { Readable } from "node:stream";

// Standard output is for the answers: what libraries have to tell goes elsewhere.
console.log = console.info = console.debug = console.error;

async function adyen(message, signed) {
  const { hmacValidator } = await import("@adyen/api-library");
  const validator = new hmacValidator();
  const document = JSON.parse(message.body);
  const items = document.notificationItems.map((item) => item.NotificationRequestItem);
  if (signed) return items.every((item) => validator.validateHMAC(item, message.secret));
  for (const item of items) {
    item.additionalData = { hmacSignature: validator.calculateHmac(item, message.secret) };
  }
  message.body = JSON.stringify(document);
  return {};
}

async function adyenPlatform({ secret, body }, signed) {
  const { hmacValidator } = await import("@adyen/api-library");
  const validator = new hmacValidator();
  if (signed) return validator.validateHMACSignature(secret, signed["hmacsignature"], body);
  return { HmacSignature: validator.calculateHmac(body, secret) };
}

// The library fetches the certificate; here it finds the key that belongs to it, which its check takes as well.
async function awsSns({ body, private: secret }) {
  const Validator = (await import("sns-validator")).default;
  const pem = createPublicKey(secret.slice(secret.indexOf("-----BEGIN"))).export({ type: "spki", format: "pem" });
  https.get = (_, found) => {
    const response = Readable.from([pem]);
    response.statusCode = 200;
    found(response);
    return response;
  };
  return new Promise((resolve) => new Validator().validate(body, (error) => resolve(error === null)));
}

async function cloudinary({ secret, body, time }, signed) {
  const { v2 } = (await import("cloudinary")).default;
  v2.config({ api_secret: secret });
  if (signed) return v2.utils.verifyNotificationSignature(body, signed["x-cld-timestamp"], signed["x-cld-signature"]);
  const signature = v2.utils.webhook_signature(body, time, { api_secret: secret });
  return { "X-Cld-Timestamp": `${time}`, "X-Cld-Signature": signature };
}

async function contentful({ secret, body, time, url, headers }, signed) {
  const { signRequest, verifyRequest } = await import("@contentful/node-apps-toolkit/requests");
  const { pathname, search } = new URL(url);
  const request = { method: "POST", path: pathname + search, headers: signed ?? headers, body };
  return signed ? verifyRequest(secret, request, 300) : signRequest(secret, request, time * 1000);
}

async function dodoPayments({ secret, body }, signed) {
  const [{ DodoPayments }, { WebhookVerificationError }] = [await import("dodopayments"), await standardWebhooks()];
  const client = new DodoPayments({ bearerToken: "unused" });
  return holds(WebhookVerificationError, () => client.webhooks.unwrap(body, { headers: signed, key: secret }));
}

async function finch({ secret, body, id, time }, signed) {
  const { webhooks } = new (await import("@tryfinch/finch-api")).Finch({ accessToken: "unused" });
  if (signed) return holds(/signatures match/, () => webhooks.verifySignature(body, signed, secret));
  const key = webhooks.parseSecret(secret);
  const signature = webhooks.signPayload(body, { eventId: id, timestamp: new Date(time * 1000), secret: key });
  return { "Finch-Event-Id": id, "Finch-Timestamp": `${time}`, "Finch-Signature": signature };
}

async function github({ secret, body }, signed) {
  const { sign, verify } = await import("@octokit/webhooks-methods");
  if (signed) return verify(secret, body, signed["x-hub-signature-256"]);
  return { "X-Hub-Signature-256": await sign(secret, body) };
}

async function line({ secret, body }, signed) {
  const { validateSignature } = await import("@line/bot-sdk");
  return validateSignature(body, secret, signed["x-line-signature"]);
}

async function linear({ secret, body }, signed) {
  const { LinearWebhookClient } = await import("@linear/sdk/webhooks");
  const client = new LinearWebhookClient(secret);
  return holds(/Invalid webhook signature/, () => client.verify(Buffer.from(body), signed["linear-signature"]));
}

async function lithic({ secret, body }, signed) {
  const [{ Lithic }, { WebhookVerificationError }] = [await import("lithic"), await standardWebhooks()];
  const client = new Lithic({ apiKey: "unused" });
  return holds(WebhookVerificationError, () => client.webhooks.verifySignature(body, signed, secret));
}

async function mercadopago({ secret, url }, signed) {
  const { InvalidWebhookSignatureError, WebhookSignatureValidator } = await import("mercadopago");
  const options = {
    xSignature: signed["x-signature"],
    xRequestId: signed["x-request-id"],
    dataId: new URL(url).searchParams.get("data.id"),
    secret,
  };
  return holds(InvalidWebhookSignatureError, () => WebhookSignatureValidator.validate(options));
}

async function metronome({ secret, body, time }, signed) {
  const { webhooks } = new (await import("@metronome/sdk")).Metronome({ bearerToken: "unused" });
  if (signed) return holds(/signature does not match/, () => webhooks.verifySignature(body, signed, secret));
  const date = new Date(time * 1000).toUTCString();
  return { "X-Metronome-Date": date, "Metronome-Webhook-Signature": webhooks.signPayload(body, { date, secret }) };
}

async function modernTreasury({ secret, body }, signed) {
  const { ModernTreasury } = await import("modern-treasury");
  const { webhooks } = new ModernTreasury({ apiKey: "unused", organizationID: "unused" });
  if (signed) return webhooks.validateSignature(body, signed, { key: secret });
  return { "X-Signature": webhooks.getSignature(body, { key: secret }) };
}

async function mux({ secret, body, time }, signed) {
  const { webhooks } = new (await import("@mux/mux-node")).Mux({ tokenId: "unused", tokenSecret: "unused" });
  if (signed) return holds(/No signatures found matching/, () => webhooks.verifySignature(body, signed, secret));
  return { "Mux-Signature": `t=${time},v1=${await webhooks.computeSignature(`${time}.${body}`, secret)}` };
}

async function notion({ secret, body }, signed) {
  const { signWebhookPayload, verifyWebhookSignature } = await import("@notionhq/client");
  const message = { body, verificationToken: secret };
  if (!signed) return { "X-Notion-Signature": await signWebhookPayload(message) };
  return verifyWebhookSignature({ ...message, signature: signed["x-notion-signature"] });
}

async function openai({ secret, body }, signed) {
  const { InvalidWebhookSignatureError, OpenAI } = await import("openai");
  const { webhooks } = new OpenAI({ apiKey: "unused" });
  return holds(InvalidWebhookSignatureError, () => webhooks.verifySignature(body, signed, secret));
}

async function orb({ secret, body, time }, signed) {
  const { webhooks } = new (await import("orb-billing")).Orb({ apiKey: "unused" });
  if (signed) return holds(/signatures match/, () => webhooks.verifySignature(body, signed, secret));
  const timestamp = new Date(time * 1000).toISOString().replace("Z", "");
  return { "X-Orb-Timestamp": timestamp, "X-Orb-Signature": webhooks.signPayload(body, { timestamp, secret }) };
}

async function paddle({ secret, body }, signed) {
  const { Paddle } = await import("@paddle/paddle-node-sdk");
  return new Paddle("unused").webhooks.isSignatureValid(body, secret, signed["paddle-signature"]);
}

async function pusher({ secret, body, headers }, signed) {
  const Pusher = (await import("pusher")).default;
  const client = new Pusher({ appId: "1", key: headers["X-Pusher-Key"], secret });
  if (signed) return client.webhook({ headers: signed, rawBody: body }).isValid();
  return { "X-Pusher-Signature": client.config.token.sign(body) };
}

async function replicate({ secret, body }, signed) {
  const { validateWebhook } = await import("replicate");
  return validateWebhook({ headers: signed, body }, secret);
}

async function resend({ secret, body }, signed) {
  const [{ Resend }, { WebhookVerificationError }] = [await import("resend"), await standardWebhooks()];
  const headers = { id: signed["svix-id"], timestamp: signed["svix-timestamp"], signature: signed["svix-signature"] };
  const message = { payload: body, headers, webhookSecret: secret };
  return holds(WebhookVerificationError, () => new Resend("unused").webhooks.verify(message));
}

async function retell({ secret, body }, signed) {
  const { Retell } = await import("retell-sdk");
  if (signed) return Retell.verify(body, secret, signed["x-retell-signature"]);
  return { "X-Retell-Signature": await Retell.sign(body, secret) };
}

async function sanity({ secret, body, time }, signed) {
  const { encodeSignatureHeader, isValidSignature } = await import("@sanity/webhook");
  if (signed) return isValidSignature(body, signed["sanity-webhook-signature"], secret);
  return { "sanity-webhook-signature": await encodeSignatureHeader(body, time * 1000, secret) };
}

async function shopify({ secret, body, url }, signed) {
  await import("@shopify/shopify-api/adapters/node");
  const { ApiVersion, shopifyApi } = await import("@shopify/shopify-api");
  if (!signed) {
    const { getHmac } = await import("@shopify/shopify-api/test-helpers");
    return { "X-Shopify-Hmac-SHA256": getHmac(body, secret) };
  }
  const [apiVersion] = Object.values(ApiVersion);
  const api = shopifyApi({ apiKey: "unused", apiSecretKey: secret, hostName: new URL(url).host, apiVersion });
  const { valid, reason } = await api.webhooks.validate({ rawBody: body, rawRequest: { headers: signed } });
  if (!valid && reason !== "invalid_hmac") throw new Error(reason);
  return valid;
}

// Svix's wrapper and the standard's own library.
async function standard({ Webhook, WebhookVerificationError }, prefix, { secret, id, time, body }, signed) {
  const webhook = new Webhook(secret);
  if (signed) return holds(WebhookVerificationError, () => webhook.verify(body, signed));
  const signature = webhook.sign(id, new Date(time * 1000), body);
  return { [`${prefix}-id`]: id, [`${prefix}-timestamp`]: `${time}`, [`${prefix}-signature`]: signature };
}

function standardWebhooks() {
  return import("standardwebhooks");
}

async function stripe({ secret, body, time }, signed) {
  const { Stripe } = await import("stripe");
  // The key is for Stripe's API, which nothing here calls.
  const { webhooks } = new Stripe("unused");
  const message = { payload: body, secret, timestamp: time };
  if (!signed) return { "Stripe-Signature": webhooks.generateTestHeaderString(message) };
  const { StripeSignatureVerificationError } = Stripe.errors;
  const check = () => webhooks.constructEvent(body, signed["stripe-signature"], secret);
  return holds(StripeSignatureVerificationError, check);
}

async function workos({ secret, body, time }, signed) {
  const { SignatureVerificationException, WorkOS } = await import("@workos-inc/node");
  const { webhooks } = new WorkOS("unused");
  const sigHeader = signed?.["workos-signature"];
  if (signed) {
    return holds(SignatureVerificationException, () => webhooks.verifyHeader({ payload: body, sigHeader, secret }));
  }
  const signature = await webhooks.computeSignature(time * 1000, body, secret);
  return { "WorkOS-Signature": `t=${time * 1000},v1=${signature}` };
}

// Whether a check does not throw its own error, known by its class or its words. Any other is a fault of the test.
async function holds(refusal, check) {
  try {
    await check();
    return true;
  } catch (error) {
    if (refusal instanceof RegExp ? refusal.test(error.message) : error instanceof refusal) return false;
    throw error;
  }
}

const SDKS = {
  adyen,
  adyen_platform: adyenPlatform,
  aws_sns: awsSns,
  cloudinary,
  contentful,
  dodo_payments: dodoPayments,
  finch,
  github,
  line,
  linear,
  lithic,
  mercadopago,
  metronome,
  modern_treasury: modernTreasury,
  mux,
  notion,
  openai,
  orb,
  paddle,
  pusher,
  replicate,
  resend,
  retell,
  sanity,
  shopify,
  standard_webhooks: async (message, signed) => standard(await standardWebhooks(), "webhook", message, signed),
  stripe,
  svix: async (message, signed) => standard(await import("svix"), "svix", message, signed),
  workos,
};

async function answer(message) {
  const sdk = SDKS[message.sdk];
  if (message.signed === undefined) {
    const headers = await sdk(message);
    return { headers, body: message.body };
  }
  const lower = ([name, value]) => [name.toLowerCase(), value];
  return sdk(message, Object.fromEntries(Object.entries(message.signed).map(lower)));
}

const answers = [];
for (const message of JSON.parse(readFileSync(0, "utf8"))) {
  answers.push(await answer(message));
}
process.stdout.write(JSON.stringify(answers));
