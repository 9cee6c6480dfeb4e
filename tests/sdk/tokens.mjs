// Senders of signed tokens over jose, as `tokens.py` has them over PyJWT and joserfc; messages come and are answered as
// in `sdk.mjs`.

import { createHash, createPrivateKey, createPublicKey, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import * as jose from "jose";

const sha256 = (how) => (message) => createHash("sha256").update(message.body).digest(how);

const isShared = (algorithm) => algorithm.startsWith("HS");

const ours = ({ private: key }, algorithm) => (isShared(algorithm) ? Buffer.from(key) : createPrivateKey(key));

const theirs = ({ secret }, algorithm) => (isShared(algorithm) ? Buffer.from(secret) : createPublicKey(secret));

// What a check gives, or nothing where the token is not good. Any other error is a fault of the test.
async function good(check) {
  try {
    return await check();
  } catch (error) {
    if (error instanceof jose.errors.JOSEError) return undefined;
    throw error;
  }
}

// A token in a header field whose claims bind the message.
function claims({ name, algorithm, bound, prefix = "", constant = {} }) {
  return async (message, signed) => {
    const binding = Object.fromEntries(Object.entries(bound).map(([claim, of]) => [claim, of(message)]));
    if (!signed) {
      const token = new jose.SignJWT({ iat: message.time, jti: randomUUID(), ...constant, ...binding });
      token.setProtectedHeader({ alg: algorithm, kid: message.kid, typ: "JWT" });
      return { [name]: prefix + (await token.sign(ours(message, algorithm))) };
    }
    const token = signed[name.toLowerCase()].slice(prefix.length);
    const options = { algorithms: [algorithm], clockTolerance: 5 };
    const verified = await good(() => jose.jwtVerify(token, theirs(message, algorithm), options));
    return verified !== undefined && Object.entries(binding).every(([claim, value]) => verified.payload[claim] === value);
  };
}

// The body is the token.
function wholeBody(algorithm) {
  return async (message, signed) => {
    if (signed) {
      const options = { algorithms: [algorithm] };
      return (await good(() => jose.compactVerify(message.body, theirs(message, algorithm), options))) !== undefined;
    }
    const token = new jose.SignJWT(JSON.parse(message.body)).setProtectedHeader({ alg: algorithm, kid: message.kid });
    message.body = await token.sign(ours(message, algorithm));
    return {};
  };
}

// A token whose payload stands in the message, as it is or as base64url.
function detached({ name, algorithm, encoded, header = {}, payload = ({ body }) => body }) {
  return async (message, signed) => {
    const content = new TextEncoder().encode(payload(message));
    if (!signed) {
      const unencoded = encoded ? {} : { b64: false, crit: ["b64"] };
      const token = new jose.FlattenedSign(content);
      token.setProtectedHeader({ alg: algorithm, kid: message.kid, ...header, ...unencoded });
      const made = await token.sign(ours(message, algorithm));
      return { [name]: `${made.protected}..${made.signature}` };
    }
    const [protectedHeader, , signature] = signed[name.toLowerCase()].split(".");
    const body = encoded ? jose.base64url.encode(content) : content;
    const token = { protected: protectedHeader, payload: body, signature };
    const options = { algorithms: [algorithm] };
    return (await good(() => jose.flattenedVerify(token, theirs(message, algorithm), options))) !== undefined;
  };
}

const SENDERS = {
  fireblocks: detached({ name: "Fireblocks-Webhook-Signature", algorithm: "RS512", encoded: true }),
  fusionauth: claims({
    name: "X-FusionAuth-Signature-JWT",
    algorithm: "RS256",
    bound: { request_body_sha256: sha256("base64") },
  }),
  kinde: wholeBody("RS256"),
  netlify: claims({
    name: "X-Webhook-Signature",
    algorithm: "HS256",
    bound: { sha256: sha256("hex") },
    constant: { iss: "netlify" },
  }),
  plaid: claims({ name: "Plaid-Verification", algorithm: "ES256", bound: { request_body_sha256: sha256("hex") } }),
  saleor: detached({ name: "Saleor-Signature", algorithm: "RS256", encoded: false }),
  truelayer: detached({
    name: "Tl-Signature",
    algorithm: "ES512",
    encoded: true,
    header: { tl_version: "2", tl_headers: "" },
    payload: ({ url, body }) => `POST ${new URL(url).pathname}\n${body}`,
  }),
  vonage: claims({
    name: "Authorization",
    algorithm: "HS256",
    bound: { payload_hash: sha256("hex") },
    prefix: "Bearer ",
    constant: { iss: "Vonage" },
  }),
};

async function answer(message) {
  const sender = SENDERS[message.sdk];
  if (message.signed === undefined) {
    const headers = await sender(message);
    return { headers, body: message.body };
  }
  const lower = ([name, value]) => [name.toLowerCase(), value];
  return sender(message, Object.fromEntries(Object.entries(message.signed).map(lower)));
}

const answers = [];
for (const message of JSON.parse(readFileSync(0, "utf8"))) {
  answers.push(await answer(message));
}
process.stdout.write(JSON.stringify(answers));
