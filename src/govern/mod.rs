//! What people need to know to govern the whole: explanations of every outcome and every setting, and whether the audit
//! log is what the sidecar wrote.

pub mod explain;
pub mod verify_log;
