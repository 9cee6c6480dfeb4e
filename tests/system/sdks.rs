//! The providers' own libraries, through `tests/sdk/sdk.py` and `sdk.mjs`: a list of messages in, a list of answers out.

use std::path::Path;
use std::process::Command;

use hookwarden::clock::Now;
use serde_json::{Value, json};

use crate::harness::{Request, secret_of};
use crate::programs::run;

/// Where the scripts and their libraries are.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sdk");

/// The libraries of one language.
pub(crate) struct Language {
    /// Its name.
    pub(crate) name: &'static str,
    program: &'static str,
    script: &'static str,
    /// Its libraries, and the providers of the catalogue that they are of.
    pub(crate) libraries: &'static [(&'static str, &'static str)],
}

pub(crate) const PYTHON: Language = Language {
    name: "python",
    program: concat!(env!("CARGO_MANIFEST_DIR"), "/tests/.venv/bin/python"),
    script: "sdk.py",
    libraries: &[
        ("stripe", "stripe"),
        ("standardwebhooks", "standard_webhooks"),
        ("svix", "svix"),
        ("slack", "slack"),
        ("twilio", "twilio"),
    ],
};

pub(crate) const NODE: Language = Language {
    name: "node",
    program: "node",
    script: "sdk.mjs",
    libraries: &[
        ("github", "github"),
        ("stripe", "stripe"),
        ("standardwebhooks", "standard_webhooks"),
        ("svix", "svix"),
    ],
};

/// A message for a library to sign or to verify.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) library: &'static str,
    /// The route's name and the provider's id.
    pub(crate) provider: &'static str,
    pub(crate) secret: String,
    pub(crate) body: String,
}

impl Message {
    /// One for each library, each with a body of its own.
    pub(crate) fn samples(language: &Language) -> Vec<Self> {
        let sample = |(library, provider): &(&'static str, &'static str)| {
            let body = match *provider {
                "twilio" => format!("From=%2B15550100&Digits=2&Digits=10&Body=caf%C3%A9+{}", language.name),
                _ => format!(r#"{{"type":"sample.created","amount":10,"by":"{} {library} café"}}"#, language.name),
            };
            Self { library, provider, secret: secret_of(provider), body }
        };
        language.libraries.iter().map(sample).collect()
    }

    /// With another amount, which no signature fits.
    pub(crate) fn tampered(&self) -> Self {
        let body = self.body.replace("10", "99");
        assert_ne!(body, self.body);
        Self { body, ..self.clone() }
    }

    /// As it is sent with these headers.
    pub(crate) fn request(&self, headers: &Headers) -> Request {
        let media_type =
            if self.body.starts_with('{') { "application/json" } else { "application/x-www-form-urlencoded" };
        let request = Request::post(&self.path(), self.body.as_str()).with("Content-Type", media_type);
        headers.iter().fold(request, |request, (name, value)| request.with(name, value))
    }

    fn path(&self) -> String {
        format!("/hooks/{}", self.provider)
    }

    fn json(&self, index: usize) -> Value {
        json!({
            "sdk": self.library,
            "secret": self.secret,
            "body": self.body,
            "time": Now::read().unix_seconds(),
            "id": format!("msg_{index}_{}", self.library),
            "url": format!("https://hooks.test{}", self.path()),
        })
    }
}

/// Header fields by name.
pub(crate) type Headers = Vec<(String, String)>;

impl Language {
    /// Lets each message be signed by its library.
    pub(crate) fn sign(&self, messages: &[Message]) -> Vec<Headers> {
        let messages = messages.iter().enumerate().map(|(index, message)| message.json(index)).collect();
        let headers = |answer: &Value| {
            let fields = answer.as_object().expect("headers").iter();
            fields.map(|(name, value)| (name.clone(), value.as_str().expect("text").to_owned())).collect()
        };
        self.ask(messages).iter().map(headers).collect()
    }

    /// Lets each message be verified by its library.
    pub(crate) fn verify(&self, messages: &[(Message, Headers)]) -> Vec<bool> {
        let with_headers = |(index, (message, headers)): (usize, &(Message, Headers))| {
            let mut json = message.json(index);
            let headers = headers.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect();
            json["headers"] = Value::Object(headers);
            json
        };
        let answers = self.ask(messages.iter().enumerate().map(with_headers).collect());
        answers.iter().map(|answer| answer.as_bool().expect("true or false")).collect()
    }

    fn ask(&self, messages: Vec<Value>) -> Vec<Value> {
        let count = messages.len();
        let input = Value::Array(messages).to_string();
        let output = run(Command::new(self.program).arg(Path::new(FOLDER).join(self.script)), input.as_bytes());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let answers: Vec<Value> = serde_json::from_slice(&output.stdout).expect("a JSON list");
        assert_eq!(answers.len(), count);
        answers
    }
}
