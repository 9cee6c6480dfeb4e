//! What people need to know to govern the whole: explanations of every outcome, every rule and every setting, the audit,
//! and whether the audit log is what the sidecar wrote.

pub mod alerts;
pub mod audit;
pub mod baseline;
pub mod explain;
pub mod finding;
pub mod handbook;
pub mod lesson;
mod lessons;
pub mod manifests;
pub mod report;
pub mod rules;
pub mod subject;
pub mod trend;
pub mod verify_log;
