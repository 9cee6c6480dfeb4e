//! What people need to know to govern the whole: explanations of every outcome, rule, attack, alert and setting, the audit,
//! whether the audit log is what the sidecar wrote, and which permissions it shows to be wider than their use.

pub mod alerts;
pub mod audit;
pub mod baseline;
pub mod explain;
pub mod finding;
pub mod handbook;
pub mod job;
pub mod lesson;
mod lessons;
pub mod manifests;
pub mod report;
pub mod review;
pub mod rules;
pub mod subject;
pub mod trend;
pub mod verify_log;
