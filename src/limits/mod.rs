//! How much: what all connections together may use.
//!
//! Deliberately absent: rates and lock-outs by sender; their settings are refused until they are built.

pub mod budget;
