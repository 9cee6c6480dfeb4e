//! A certificate for `localhost` and its key, of ECDSA on P-256, as `certificate.pem`, `key.pem` and, for HAProxy, both in
//! `both.pem`. Made anew for each run.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

fn main() -> io::Result<()> {
    let folder = std::env::args().nth(1).expect("usage: certificate FOLDER");
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("ring makes keys");
    let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    write(&folder, "certificate.pem", &certificate)?;
    write(&folder, "key.pem", &key)?;
    write(&folder, "both.pem", &(certificate + &key))
}

fn write(folder: &str, name: &str, text: &str) -> io::Result<()> {
    let path = Path::new(folder).join(name);
    OpenOptions::new().create_new(true).write(true).mode(0o600).open(path)?.write_all(text.as_bytes())
}
