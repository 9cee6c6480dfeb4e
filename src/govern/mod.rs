//! What people need to know to govern the whole: explanations of every outcome and every setting.

pub mod explain;
