//! `sign --generate-key`: a new pair of keys to try a provider with whose real private key only the provider has.
//!
//! The private key goes into a new file that its owner alone can read; what the sidecar is to be given is printed.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde_json::json;

use crate::auth::scheme::{Jwks, Scheme};
use crate::auth::signature::{PrivateKey, PublicKey};

use super::terminal::FormatFlag;
use super::{Exit, Failure, terminal};

/// Makes a pair for the scheme, writes the private key and prints the public one.
pub(super) fn run(provider: &str, scheme: &Scheme, file: &Path, format: FormatFlag) -> Result<Exit, Failure> {
    let algorithms = scheme.public_algorithms();
    if algorithms.is_empty() || scheme.key_source.chain.is_some() {
        return Err(Failure::usage(format!(
            "--generate-key is for schemes of the kinds ed25519, ecdsa and rsa, and for tokens that are signed so; {provider} \
             has one secret for both sides, which you choose or the provider shows, or none"
        )));
    }
    let algorithm = algorithms.first().ok_or_else(|| Failure::usage("the scheme names no algorithm"))?;
    let key = PrivateKey::generate(*algorithm).map_err(|fault| Failure::unavailable(format!("the key {fault}")))?;
    let public = key.public().map_err(|fault| Failure::unavailable(format!("the key {fault}")))?;
    write_new(file, key.to_pem().as_bytes())?;
    // As `sign` names a key of a file, and so a message for it.
    let jwks = json!({ "keys": [public.clone().labelled(Some("1"), Some(*algorithm)).to_jwk()] });
    if format.is_json() {
        let made = json!({ "private_key_file": file, "public_key": public.to_pem(), "jwks": jwks });
        return Ok(terminal::print_json(&made, Exit::Fine));
    }
    let set = match scheme.key_source.jwks {
        Jwks::None => String::new(),
        Jwks::Somewhere | Jwks::At(_) => format!("\nOr as a set, in the route's JWKS_FILE:\n\n{jwks}\n"),
    };
    Ok(terminal::print(&(told(provider, file, &public) + &set), Exit::Fine))
}

fn told(provider: &str, file: &Path, public: &PublicKey) -> String {
    let file = file.display();
    let public = public.to_pem();
    format!(
        "The private key is in {file}. To sign with it:\n\n  hookwarden sign --provider {provider} --secret-file {file}\n\n\
         The sidecar gets the public key, in the file that the route's SECRET_FILE names:\n\n{public}"
    )
}

/// Writes a file that was not there, for its owner alone.
fn write_new(path: &Path, content: &[u8]) -> Result<(), Failure> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let written = file.and_then(|mut file| file.write_all(content));
    written.map_err(|error| Failure::unavailable(format!("{}: {error}", path.display())))
}
