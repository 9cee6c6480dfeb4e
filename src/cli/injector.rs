//! `injector`: the admission webhook that puts the sidecar into new pods.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::ValueEnum;
use tracing::level_filters::LevelFilter;

use crate::inject::{IMAGE, NAMESPACE};
use crate::injector::{self, Failed, Settings, Source};

use super::{Exit, Failure, run};

#[derive(clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Injector {
    /// Where reviews come to; port 0 takes a free one
    #[arg(long, default_value = "0.0.0.0:8443")]
    listen: SocketAddr,
    /// Where probes and scrapes come to
    #[arg(long, default_value = "0.0.0.0:9464")]
    admin_listen: SocketAddr,
    /// Where the serving certificate comes from
    #[arg(long, value_enum, default_value_t = Certificates::Own)]
    certificates: Certificates,
    /// The certificate, then its intermediates; watched
    #[arg(long, value_name = "FILE", default_value = "/run/hookwarden/tls/tls.crt")]
    cert_file: PathBuf,
    /// Its key; watched
    #[arg(long, value_name = "FILE", default_value = "/run/hookwarden/tls/tls.key")]
    key_file: PathBuf,
    /// The Secret that the own authority and certificate are kept in
    #[arg(long, value_name = "NAME", default_value = "hookwarden-injector-tls")]
    secret: String,
    /// The Service that API servers call
    #[arg(long, value_name = "NAME", default_value = "hookwarden-injector")]
    service: String,
    /// The `MutatingWebhookConfiguration` whose `caBundle` is written
    #[arg(long, value_name = "NAME", default_value = "hookwarden-injector")]
    webhook: String,
    /// The namespace that the injector is in
    #[arg(short, long, default_value = NAMESPACE)]
    namespace: String,
    /// The sidecar's image, where no annotation names one
    #[arg(long, default_value = IMAGE)]
    image: String,
    /// Where the API server is
    #[arg(long, value_name = "URL", default_value = "https://kubernetes.default.svc")]
    api_server: String,
    /// The directory with the service account's token and ca.crt; without it, no namespace is looked up
    #[arg(long, value_name = "DIR", default_value = "/var/run/secrets/kubernetes.io/serviceaccount")]
    service_account: PathBuf,
    /// How much the log says: off, error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    log_level: LevelFilter,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Certificates {
    /// The injector's own, kept in a Secret and renewed, `caBundle` included
    #[value(name = "self")]
    Own,
    /// Files that cert-manager renews, which writes the `caBundle`, too
    CertManager,
    /// Files that somebody else renews
    Files,
}

impl Injector {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        run::start_log(self.log_level);
        let certificates = match self.certificates {
            Certificates::Own => Source::Own { secret: self.secret, service: self.service, webhook: self.webhook },
            Certificates::CertManager | Certificates::Files => {
                Source::Files { certificate: self.cert_file, key: self.key_file }
            }
        };
        let settings = Settings {
            listen: self.listen,
            admin_listen: self.admin_listen,
            certificates,
            namespace: self.namespace,
            image: self.image,
            api_server: self.api_server,
            service_account: self.service_account,
        };
        match injector::run(settings) {
            Ok(()) => Ok(Exit::Fine),
            Err(failed @ (Failed::Certificates(_) | Failed::Cluster(_))) => {
                Err(Failure { exit: Exit::Refused, problem: failed.to_string() })
            }
            Err(failed) => Err(Failure::unavailable(failed)),
        }
    }
}

const AFTER_HELP: &str = "\
Serves POST /mutate over TLS, and /healthz, /readyz, /startupz and /metrics on the admin port.
`hookwarden inject --help` lists the annotations.

Examples:
  hookwarden injector
  hookwarden injector --certificates cert-manager
  hookwarden injector --certificates files --cert-file tls.crt --key-file tls.key

Exit codes: 0 told to stop, 2 usage, 69 a port cannot be had, 78 certificates that cannot be used.";
