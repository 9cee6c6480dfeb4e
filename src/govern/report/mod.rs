//! The faces of a [`Report`](super::finding::Report): for code scanners, for test dashboards, for people who read and
//! print. Pure: a report in, text out.

pub mod html;
pub mod junit;
pub mod sarif;
