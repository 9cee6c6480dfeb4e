//! The sidecar put into a pod: what the admission webhook answers and what `hookwarden inject` does to a manifest, by the
//! same code. Pure: JSON in, JSON or text out.
//!
//! ```text
//!   annotations   what the owner of a pod asks for        labels and annotations -> Wishes, or all that is wrong
//!   sidecar       what that makes                         Wishes -> a container, its volumes and mounts
//!   ports         how a Service's port changes hands      take-port, probes by name, collisions
//!   pod           the whole                               a pod -> the injected one, "not ours", or refused
//!   undo          and back                                the injected pod -> the one before
//!   workload      where pods are in other kinds
//!   json_patch    two documents -> RFC 6902
//!   review        admission.k8s.io/v1 -> an answer
//!   text          streams of YAML and JSON, edited where they change and nowhere else
//! ```
//!
//! Deliberately absent: the network, the cluster (what is asked of it comes in as an argument), iptables and eBPF: the
//! sidecar takes over a port, and needs no privilege for that.

pub mod annotations;
pub mod json_patch;
pub mod pod;
pub mod ports;
pub mod review;
pub mod sidecar;
pub mod text;
pub mod undo;
pub mod workload;

/// What stands before the name of every label and annotation of ours.
pub const PREFIX: &str = "hookwarden.io/";

/// The label of a pod or namespace that opts in, by one of [`ENABLED`] and [`DISABLED`].
pub const LABEL: &str = "hookwarden.io/inject";

/// The label's value of who wants the sidecar.
pub const ENABLED: &str = "enabled";

/// The label's value of a pod that is left out of a namespace that opts in.
pub const DISABLED: &str = "disabled";

/// The annotation that says what was done to a pod, and so how it is undone.
pub const STATUS: &str = "hookwarden.io/status";

/// The sidecar's container.
pub const CONTAINER: &str = "hookwarden";

/// The names of all volumes of ours begin like this.
pub const VOLUMES: &str = "hookwarden-";

/// The image of this very version.
pub const IMAGE: &str = concat!("ghcr.io/hookwarden/hookwarden:", env!("CARGO_PKG_VERSION"));

/// The namespace that the injector stands in, unless it is told another.
pub const NAMESPACE: &str = "hookwarden";

#[cfg(test)]
mod tests;
